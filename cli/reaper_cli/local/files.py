"""The volumes of a task as directories of this machine: what kubelet would prepare."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reaper_cli.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from reaper_api.task import TaskSpec
    from reaper_api.volumes import KeyToPath, ProjectedSource, Volume
    from reaper_cli.local.sources import Entries, Sources

_MODE = 0o644
_DIRECTORY, _FILE = "DirectoryOrCreate", "FileOrCreate"


class Mounted(NamedTuple):
    """A directory or file here, and where the process sees it."""

    source: str
    destination: str
    read_only: bool


def prepare(spec: TaskSpec, sources: Sources, folder: Path) -> list[Mounted]:
    """Make what is not there yet below `folder`. A Problem names the volume that cannot be had without a cluster."""
    return [_prepare(volume, sources, folder / volume.name) for volume in spec.volumes]


def _prepare(volume: Volume, sources: Sources, folder: Path) -> Mounted:
    if volume.host_path is not None:
        _make(volume.host_path.path, volume.host_path.type or "")
        return Mounted(volume.host_path.path, volume.mount_path, volume.read_only)
    folder.mkdir(parents=True)
    if volume.empty_dir is not None:
        folder.chmod(0o777)
        return Mounted(str(folder), volume.mount_path, volume.read_only)
    if volume.config_map is not None:
        source = volume.config_map
        entries = sources.entries("ConfigMap", source.name, optional=source.optional)
        _write(folder, volume.name, entries, source.items, source.default_mode)
    elif volume.secret is not None:
        secret = volume.secret
        entries = sources.entries("Secret", secret.secret_name, optional=secret.optional)
        _write(folder, volume.name, entries, secret.items, secret.default_mode)
    elif volume.projected is not None:
        _project(folder, volume.name, volume.projected, sources)
    return Mounted(str(folder), volume.mount_path, read_only=True)


def _project(folder: Path, name: str, projected: ProjectedSource, sources: Sources) -> None:
    for part in projected.sources:
        if part.service_account_token is not None:
            raise Problem(
                f"volume {name} has a token of a service account, which only a cluster gives",
                "kubectl create token ACCOUNT > token, and a hostPath volume instead, for a try",
            )
        reference = part.secret or part.config_map
        assert reference is not None  # noqa: S101 - the model holds: exactly one
        kind = "Secret" if part.secret is not None else "ConfigMap"
        entries = sources.entries(kind, reference.name, optional=reference.optional)
        _write(folder, name, entries, reference.items, projected.default_mode)


def _write(folder: Path, name: str, entries: Entries, items: Iterable[KeyToPath] | None, mode: int | None) -> None:
    wanted = [(key, key, None) for key in entries] if items is None else [(i.key, i.path, i.mode) for i in items]
    for key, path, own in wanted:
        if key not in entries:
            raise Problem(
                f"volume {name} takes entry {key}, which is not there; there are {', '.join(entries) or 'none'}"
            )
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(entries[key])
        chosen = own if own is not None else mode
        file.chmod(_MODE if chosen is None else chosen)


def _make(path: str, kind: str) -> None:
    from pathlib import Path

    there = Path(path)
    if kind == _DIRECTORY:
        there.mkdir(parents=True, exist_ok=True)
    elif kind == _FILE and not there.exists():
        there.parent.mkdir(parents=True, exist_ok=True)
        there.touch()
    if not there.exists():
        raise Problem(f"{path} is not on this machine: a hostPath volume of the task needs it")
