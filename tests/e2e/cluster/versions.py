"""The versions in versions.toml, as attributes."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Versions:
    kubernetes: str
    kind: str
    helm: str
    etcd: str
    etcd_image: str
    coredns: str
    pause: str
    pause_of_containerd: str
    containerd: str
    cni_plugins: str
    kwok: str
    cert_manager: str
    debian: str
    stock_image: str


def read_versions() -> Versions:
    return Versions(**tomllib.loads(Path(__file__).with_name("versions.toml").read_text()))


def minor(version: str) -> tuple[int, int]:
    """`v1.36.3` as (1, 36): what decides whether two Kubernetes programs understand each other."""
    major, second = version.removeprefix("v").split(".")[:2]
    return int(major), int("".join(c for c in second if c.isdigit()))
