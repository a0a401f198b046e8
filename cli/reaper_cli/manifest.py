"""The ReaperTask that the flags of `run` mean. Pure."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import Any

from click import UsageError

from reaper_api.vocabulary import API_VERSION, KIND

Body = dict[str, Any]
_MOST = 50  # characters of a program's name in the name of its task


@dataclass(frozen=True)
class Wish:
    """What the person asked for; each field is a flag."""

    name: str
    command: tuple[str, ...]
    namespace: str = ""
    env: tuple[str, ...] = ()
    workdir: str = ""
    user: str = ""
    groups: tuple[int, ...] = ()
    node: str = ""
    node_selector: tuple[str, ...] = ()
    overlay: str = ""
    dns_mode: str = ""
    restart: str = ""
    stdin: bool = False
    tty: bool = False
    retries: int | None = None
    deadline: float | None = None
    grace_period: float | None = None
    ttl: float | None = None
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    tolerate_all: bool = field(default=False)


def task_for(wish: Wish) -> Body:
    """The manifest, with nothing in it that was not asked for. A UsageError names the flag that makes no sense."""
    metadata: Body = {"name": wish.name} if wish.name else {"generateName": prefix(wish.command[0])}
    if wish.namespace:
        metadata["namespace"] = wish.namespace
    for key, flag, pairs in (("labels", "--labels", wish.labels), ("annotations", "--annotations", wish.annotations)):
        if pairs:
            metadata[key] = dict(_pair(flag, each) for word in pairs for each in word.split(","))
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": _spec(wish)}


def prefix(program: str) -> str:
    """The beginning of a name for a task that runs `program`."""
    words = re.sub(r"[^a-z0-9]+", "-", posixpath.basename(program).lower()).strip("-")[:_MOST].strip("-")
    return f"{words or 'task'}-"


def _spec(wish: Wish) -> Body:
    spec: Body = {"command": list(wish.command)}
    if wish.env:
        spec["env"] = [_variable(word) for word in wish.env]
    if wish.user or wish.groups:
        spec["user"] = _user(wish.user, wish.groups)
    if wish.node_selector:
        spec["nodeSelector"] = dict(
            _pair("--node-selector", each) for word in wish.node_selector for each in word.split(",")
        )
    if wish.tolerate_all:
        spec["tolerations"] = [{"operator": "Exists"}]
    if wish.overlay:
        spec["overlay"] = {"name": wish.overlay}
    plain: dict[str, Any] = {
        "workingDir": wish.workdir,
        "nodeName": wish.node,
        "restartPolicy": wish.restart,
        "dnsMode": wish.dns_mode,
        "stdin": wish.stdin,
        "terminal": wish.tty,
    }
    numbers = {
        "backoffLimit": wish.retries,
        "activeDeadlineSeconds": wish.deadline,
        "terminationGracePeriodSeconds": wish.grace_period,
        "ttlSecondsAfterFinished": wish.ttl,
    }
    spec |= {key: value for key, value in plain.items() if value}
    return spec | {key: int(value) for key, value in numbers.items() if value is not None}


def _variable(word: str) -> Body:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise UsageError(f"--env {word}: write NAME=VALUE")
    return {"name": name, "value": value}


def _user(word: str, groups: tuple[int, ...]) -> Body:
    found = re.fullmatch(r"(\d+):(\d+)", word or "0:0")
    if found is None:
        raise UsageError(f"--user {word}: write UID:GID in numbers, such as 1000:1000; names differ from node to node")
    user: Body = {"uid": int(found[1]), "gid": int(found[2])}
    return {**user, "supplementalGroups": list(groups)} if groups else user


def _pair(flag: str, word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise UsageError(f"{flag} {word}: write KEY=VALUE")
    return name, value
