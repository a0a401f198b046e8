"""The objects that the tests apply, as short as a person would write them."""

from __future__ import annotations

import random
from typing import Any

Object = dict[str, Any]


def task(name: str, *command: str, **spec: Any) -> Object:
    """A ReaperTask."""
    return {
        "apiVersion": "reaper.io/v1alpha1",
        "kind": "ReaperTask",
        "metadata": {"name": name},
        "spec": {"command": list(command), **spec},
    }


def shell(name: str, script: str, **spec: Any) -> Object:
    """A ReaperTask that runs a shell script. Kubernetes reads $(NAME) and $$ in it: write $$$$ for the shell's $$."""
    return task(name, "/bin/sh", "-c", script, **spec)


def container(name: str, *command: str, **more: Any) -> Object:
    """A container of a plain Pod."""
    return {"name": name, "image": "placeholder", "imagePullPolicy": "IfNotPresent", "command": list(command), **more}


def pod(name: str, *containers: Object, **spec: Any) -> Object:
    """A plain Pod on our runtime."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "runtimeClassName": "reaper-v2",
            "restartPolicy": "Never",
            "hostNetwork": True,
            "containers": list(containers),
            **spec,
        },
    }


def long_sleep() -> str:
    """An argument of sleep that no other process has: by it a process is found on its node."""
    return f"600.{random.randrange(10**8, 10**9)}"  # noqa: S311
