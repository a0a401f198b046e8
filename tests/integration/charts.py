"""The chart as Helm renders it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "reaper"

Object = dict[str, Any]


def program(name: str) -> str:
    """A program of this checkout, or else of the machine."""
    own = ROOT / ".tools" / "bin" / name
    found = str(own) if own.exists() else shutil.which(name)
    assert found, f"{name} is missing: run `make cluster`"
    return found


def helm(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """What Helm says, whether it likes it or not."""
    return subprocess.run([program("helm"), *words], input=stdin, capture_output=True, text=True, check=False)


def render(
    *settings: str, release: str = "reaper", values: Object | None = None, has: Iterable[str] = ()
) -> dict[tuple[str, str], Object]:
    """All objects by kind and name, with some values set: as --set takes them, or as they are. `has`: APIs of the
    cluster that Helm does not take for granted."""
    words = [word for setting in settings for word in ("--set", setting)]
    words += [word for api in has for word in ("--api-versions", api)]
    words += ["--values", "-"] if values is not None else []
    done = helm("template", release, str(CHART), "--namespace", "reaper-system", *words, stdin=json.dumps(values))
    assert done.returncode == 0, done.stderr
    objects = [document for document in yaml.safe_load_all(done.stdout) if document]
    return {(item["kind"], _name(item["metadata"], item["kind"])): item for item in objects}


def _name(metadata: Object, kind: str) -> str:
    """Roles of one name are in two namespaces."""
    return f"{metadata['namespace']}/{metadata['name']}" if kind in {"Role", "RoleBinding"} else str(metadata["name"])


def kinds(objects: dict[tuple[str, str], Object]) -> set[str]:
    return {kind for kind, _ in objects}


def containers(workload: Object) -> dict[str, Object]:
    return {item["name"]: item for item in workload["spec"]["template"]["spec"]["containers"]}


def container(workload: Object) -> Object:
    """The one, or of the DaemonSet the installer."""
    found = containers(workload)
    return found["installer"] if "installer" in found else found.popitem()[1]


def rights(role: Object) -> set[tuple[str, str, str]]:
    rules = role["rules"]
    return {(g, r, v) for rule in rules for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}
