"""Pods, Jobs and their like as ReaperTasks and back, with an account of every field. Pure."""

from reaper_api.conversion.report import Conversion, Field, Verdict
from reaper_api.conversion.to_pod import to_pod
from reaper_api.conversion.to_task import to_task
from reaper_api.conversion.workload import KINDS, holds_pod

__all__ = ["KINDS", "Conversion", "Field", "Verdict", "holds_pod", "to_pod", "to_task"]
