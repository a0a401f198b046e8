"""linux.cgroupsPath of config.json to a path below the mount points, and to systemd's names, without asking it."""

from reaper_runtime.errors import InvalidBundle


def resolve(cgroups_path: str) -> str:
    """A relative path. Raises InvalidBundle when it is empty, leaves the hierarchy, or is neither of the two forms.

    `/kubepods/pod1/c1` as of kubelet's driver cgroupfs; `kubepods-pod1.slice:cri-containerd:c1` as of its driver
    systemd, whose slices are below each other by their names (systemd.slice(5)).
    """
    found = units(cgroups_path)
    if found is not None:
        slice_name, scope = found
        path = "/".join((*_expand(slice_name), scope))
    else:
        path = cgroups_path.strip("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidBundle(
            f"linux.cgroupsPath {cgroups_path!r} is not a path such as /kubepods/pod1/c1, "
            "nor of the form slice:prefix:name"
        )
    return path


def units(cgroups_path: str) -> tuple[str, str] | None:
    """The names of the slice and of the scope, where it is of the form of kubelet's driver systemd."""
    if cgroups_path.count(":") != 2 or "/" in cgroups_path:
        return None
    slice_name, prefix, name = cgroups_path.split(":")
    return slice_name or "system.slice", f"{f'{prefix}-{name}' if prefix else name}.scope"


def _expand(slice_name: str) -> list[str]:
    """a-b-c.slice is in a-b.slice, which is in a.slice; -.slice is the root, which all are in."""
    if slice_name == "-.slice":
        return []
    stem = slice_name.removesuffix(".slice")
    parts = stem.split("-")
    if stem == slice_name or not all(parts):
        raise InvalidBundle(f"linux.cgroupsPath names the slice {slice_name!r}, which is not a name such as a-b.slice")
    return [f"{'-'.join(parts[: n + 1])}.slice" for n in range(len(parts))]
