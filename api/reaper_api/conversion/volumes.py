"""Volumes and their mounts: two lists of a Pod, one of a ReaperTask."""

from collections.abc import Mapping, Sequence
from typing import Any

from reaper_api.conversion.draft import Draft, has
from reaper_api.conversion.handlers import USUAL
from reaper_api.conversion.report import Path
from reaper_api.rules import names_in_yaml
from reaper_api.volumes import ProjectedPart

SOURCES = ("hostPath", "configMap", "secret", "emptyDir", "projected")
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where kubelet puts a token
_OTHERS = (
    "a ReaperTask mounts hostPath, configMap, secret, emptyDir and projected: keep this a Pod and set "
    "runtimeClassName: reaper-v2, which mounts any"
)
_PROJECTS = "a ReaperTask projects secret, configMap and serviceAccountToken only"
_TOKEN = "comes with spec.serviceAccountName"  # noqa: S105 - no password
_ROOT = "the process sees the node's files at / already; below this path it writes to the node itself"

_PROPAGATION = "what is mounted later is not passed on: the process can look at the node's own path"

Volumes = Mapping[str, tuple[Path, Mapping[str, Any]]]


def convert_volumes(
    draft: Draft, pod: Path, volumes: Sequence[Mapping[str, Any]], own: Path, mounts: Sequence[Mapping[str, Any]]
) -> None:
    """Account for every volume and every mount."""
    found: Volumes = {each.get("name", ""): ((*pod, number), each) for number, each in enumerate(volumes)}
    placed: dict[str, int] = {}
    lost: dict[str, str] = {}  # why, the first time
    tokens: set[str] = set()
    for number, mount in enumerate(mounts):
        name = mount.get("name", "")
        path, volume = found.get(name, ((), {}))
        source = next((key for key in volume if key != "name"), "emptyDir")
        own_place, times = (*own, number), placed.get(name, 0) + 1
        if mount.get("mountPath") == TOKEN_PATH and source == "projected":
            draft.drop(own_place, mount, _TOKEN)
            tokens.add(name)
        elif problem := _problem(source, volume, mount, times):
            draft.lose(own_place, mount, problem)
            lost.setdefault(name, problem)
        else:
            _put(draft, path, volume, own_place, mount, source, times)
            placed[name] = times
    for name, (path, volume) in found.items():
        if name in placed:
            continue
        if name in lost:
            draft.lose(path, volume, lost[name])
        else:
            draft.drop(path, volume, _TOKEN if name in tokens else "mounted nowhere")


def _problem(source: str, volume: Mapping[str, Any], mount: Mapping[str, Any], times: int) -> str:
    """Why it cannot be mounted; empty if it can."""
    if not volume:
        return "there is no volume of this name"
    if source not in SOURCES or not has("volumes"):
        return _OTHERS
    if mount.get("subPathExpr"):
        return "a ReaperTask has no subPathExpr: write the path out"
    if mount.get("subPath") and source != "hostPath":
        return f"a ReaperTask has no subPath of a {source}: mount the whole at a directory of its own"
    if source == "emptyDir" and times > 1:
        return "a ReaperTask would have two empty directories here: mount it once"
    if source == "projected" and not any(_is_known(part) for part in _parts(volume[source])):
        return _PROJECTS
    return ""


def _put(
    draft: Draft, path: Path, volume: Mapping[str, Any], own: Path, mount: Mapping[str, Any], source: str, times: int
) -> None:
    place: Path = ("spec", "volumes", len(draft.body.get("spec", {}).get("volumes", ())))
    name = mount["name"] if times == 1 else f"{mount['name'][:60]}-{times}"
    draft.put((*place, "name"), name)
    for key, value in mount.items():
        _mount_field(draft, (*own, key), key, value, place, times)
    for key, value in volume.items():
        if key == "name" and times == 1:
            draft.keep((*path, key), value, (*place, key))
        elif key != "name":
            _source(draft, (*path, key), value, (*place, key), mount, first=times == 1)
    if source not in volume:
        draft.put((*place, "emptyDir"), {})


def _mount_field(draft: Draft, path: Path, key: str, value: Any, place: Path, times: int) -> None:
    match key:
        case "name" if times == 1:
            draft.keep(path, value, (*place, key))
        case "name":
            draft.change(path, value, "mounted twice: two volumes of a ReaperTask")
        case "mountPath":
            draft.keep(path, value, (*place, key))
        case "readOnly" if value:
            draft.keep(path, value, (*place, key))
        case "subPath":
            draft.change(path, value, "part of hostPath.path")
        case "readOnly":
            draft.drop(path, value, USUAL)
        case "mountPropagation" if value == "None":
            draft.drop(path, value, USUAL)
        case "mountPropagation":
            draft.lose(path, value, _PROPAGATION)
        case _:
            draft.lose(path, value, "a ReaperTask has no such field")


def _source(draft: Draft, path: Path, value: Any, place: Path, mount: Mapping[str, Any], *, first: bool) -> None:
    host_path: Mapping[str, Any] = (value or {}) if place[-1] == "hostPath" else {}
    if place[-1] == "hostPath" and mount.get("subPath"):
        place, note = (*place, "path"), "with the subPath of the mount"
        new: Any = f"{str(host_path.get('path', '')).rstrip('/')}/{mount['subPath']}"
    elif host_path.get("path") == "/":
        note, new = _ROOT, value
    elif place[-1] == "projected":
        _projected(draft, path, value, place, first=first)
        return
    else:
        _carry(draft, path, value, place, first=first)
        return
    draft.put(place, new)
    if first:  # else it was accounted for with the first mount
        draft.change(path, value, note, place, new)


def _projected(draft: Draft, path: Path, value: Mapping[str, Any], place: Path, *, first: bool) -> None:
    """Each source by itself: one that a ReaperTask does not have leaves no empty item behind."""
    for key, inner in value.items():
        if key != "sources":
            _carry(draft, (*path, key), inner, (*place, key), first=first)
            continue
        kept = 0
        for number, part in enumerate(_parts(value)):
            if _is_known(part):
                _carry(draft, (*path, key, number), part, (*place, key, kept), first=first)
                kept += 1
            elif first:
                draft.lose((*path, key, number), part, _PROJECTS)


def _carry(draft: Draft, path: Path, value: Any, place: Path, *, first: bool) -> None:
    if first:
        draft.carry(path, value, place)
    else:  # it was accounted for with the first mount
        draft.put(place, value)


def _parts(value: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    return (value or {}).get("sources") or ()


def _is_known(part: Mapping[str, Any]) -> bool:
    return part.keys() <= names_in_yaml(ProjectedPart).keys()
