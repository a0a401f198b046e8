"""Who the process runs as, and with which rights: securityContext of Pod and container."""

from collections.abc import Mapping
from typing import Any

from reaper_api.conversion.draft import Draft, has
from reaper_api.conversion.handlers import USUAL
from reaper_api.conversion.report import Path

_PROFILE = "a process of the node is not confined: run it as a user who may do little"
_CAPABILITIES = "a ReaperTask has root's capabilities or none; a plain Pod on runtimeClassName reaper-v2 honours this"
_USER = ("spec", "user")
_IDS = ("runAsUser", "runAsGroup", "supplementalGroups", "fsGroup")


def convert_user(
    draft: Draft, pod: Path, pod_context: Mapping[str, Any], own: Path, context: Mapping[str, Any]
) -> None:
    """Account for both; the container's own wins, as in Kubernetes."""
    inherited = {name: value for name, value in pod_context.items() if name not in context}
    for name in pod_context:
        if name not in inherited:
            draft.drop((*pod, name), pod_context[name], "the container says otherwise")
    found = [((*pod, name), name, value) for name, value in inherited.items()]
    found += [((*own, name), name, value) for name, value in context.items()]
    ids = {name: value for _, name, value in found if name in _IDS and value is not None}
    _user(draft, ids)
    for path, name, value in found:
        if name in _IDS:
            _id(draft, path, name, value, ids)
        else:
            _other(draft, path, name, value, ids)


def _user(draft: Draft, ids: Mapping[str, Any]) -> None:
    if not ids:
        return
    draft.put((*_USER, "uid"), ids.get("runAsUser", 0))
    draft.put((*_USER, "gid"), ids.get("runAsGroup", 0))
    groups = list(
        dict.fromkeys([*(ids.get("supplementalGroups") or ()), *([ids["fsGroup"]] if "fsGroup" in ids else [])])
    )
    if groups and has("user", "supplementalGroups"):
        draft.put((*_USER, "supplementalGroups"), groups)


def _id(draft: Draft, path: Path, name: str, value: Any, ids: Mapping[str, Any]) -> None:
    if value in (None, []):
        draft.drop(path, value, "empty")
    elif name == "runAsUser" and "runAsGroup" not in ids:
        draft.change(path, value, "with group 0, as in a Pod without runAsGroup", (*_USER, "uid"), value)
    elif name == "runAsUser":
        draft.keep(path, value, (*_USER, "uid"))
    elif name == "runAsGroup" and "runAsUser" not in ids:
        draft.change(path, value, "as user 0: there is no image to name another", (*_USER, "gid"), value)
    elif name == "runAsGroup":
        draft.keep(path, value, (*_USER, "gid"))
    elif not has("user", "supplementalGroups"):
        draft.lose(path, value, "a ReaperTask of this version has no such field")
    elif name == "fsGroup":
        draft.change(
            path,
            value,
            "a further group of the process; hostPath volumes keep their owners, as in a Pod",
            (*_USER, "supplementalGroups"),
            _groups(draft),
        )
    else:
        draft.change(path, value, "", (*_USER, "supplementalGroups"), _groups(draft))


def _groups(draft: Draft) -> Any:
    return draft.body["spec"]["user"]["supplementalGroups"]


def _other(draft: Draft, path: Path, name: str, value: Any, ids: Mapping[str, Any]) -> None:
    root = ids.get("runAsUser", 0) == 0
    match name:
        case "runAsNonRoot" if value and root:
            draft.lose(path, value, "the process runs as root unless spec.user names somebody else")
        case "runAsNonRoot":
            draft.drop(path, value, "spec.user says it")
        case "privileged" if value:
            draft.drop(path, value, "a process of the node has its devices and files without it")
        case "privileged":
            draft.drop(path, value, USUAL)
        case "capabilities":
            _capabilities(draft, path, value or {}, root=root)
        case "allowPrivilegeEscalation" if value:
            draft.drop(path, value, USUAL)
        case "allowPrivilegeEscalation":
            draft.lose(path, value, "programs with setuid work; a plain Pod on runtimeClassName reaper-v2 honours this")
        case "readOnlyRootFilesystem" if value:
            draft.lose(path, value, "the process can write; what it writes stays in an overlay, and off the node")
        case "readOnlyRootFilesystem" | "fsGroupChangePolicy":
            draft.drop(path, value, USUAL)
        case _:
            draft.lose(path, value, _PROFILE)


def _capabilities(draft: Draft, path: Path, value: Mapping[str, Any], *, root: bool) -> None:
    for name, names in value.items():
        if name == "add" and root:
            draft.drop((*path, name), names, "root of the node has them")
        elif name == "add":
            draft.lose((*path, name), names, _CAPABILITIES)
        else:
            draft.lose((*path, name), names, _CAPABILITIES)
