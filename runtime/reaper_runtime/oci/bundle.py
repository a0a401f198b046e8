"""An OCI bundle's config.json (OCI runtime-spec 1.2, config.md) to what a host process needs of it."""

import os

from reaper_runtime.annotations import PREFIX, asks_for_cgroup
from reaper_runtime.errors import InvalidBundle
from reaper_runtime.oci import fields, hooks, mounts, resources, scheduling
from reaper_runtime.oci.process import ProcessSpec, parse_process
from reaper_runtime.oci.text import decode, is_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reaper_runtime.oci.fields import Field
    from reaper_runtime.oci.mounts import Mount
    from reaper_runtime.oci.resources import Resources

MAX_CONFIG = 16 << 20  # bytes: a config.json beyond this is an attack or a defect
CONTAINER_TYPE = "io.kubernetes.cri.container-type"
SANDBOX_ID = "io.kubernetes.cri.sandbox-id"


class Bundle:
    """A bundle: its directory, annotations, process, hooks by kind, mounts, and its root file system and network.

    `unsupported` are the fields that a host process cannot honour. `cgroups_path` and `resources` are set only where
    the pod asks for them.
    """

    __slots__ = (
        "annotations",
        "cgroups_path",
        "hooks",
        "mounts",
        "network",
        "path",
        "process",
        "read_only",
        "resources",
        "unsupported",
    )

    def __init__(
        self,
        path: str,
        annotations: dict[str, str],
        process: ProcessSpec | None = None,
        mounts: "tuple[Mount, ...]" = (),
        *,
        read_only: bool = False,
        network: str | None = None,
    ) -> None:
        """network: the path of the pod's network namespace, "" for a new one, None for the node's."""
        self.path = path
        self.annotations = annotations
        self.process = process
        self.mounts = mounts
        self.read_only = read_only
        self.network = network
        self.hooks: dict[str, tuple[hooks.Hook, ...]] = {}
        self.unsupported: tuple[Field, ...] = ()
        self.cgroups_path = ""
        self.resources: Resources | None = None

    @property
    def is_sandbox(self) -> bool:
        """The pod's sandbox ("pause") container: it has no process of its own here."""
        return self.annotations.get(CONTAINER_TYPE) == "sandbox"


def load(path: str) -> Bundle:
    """Read a bundle; raises InvalidBundle with the file and the field that is wrong."""
    config = _read_config(path)
    where = os.path.join(path, "config.json")
    annotations = _strings(config.get("annotations") or {}, f"{where}: annotations")
    root = config.get("root") or {}
    if not isinstance(root, dict):
        raise InvalidBundle(f"{where}: root must be an object")
    linux = config.get("linux", {})
    if not isinstance(linux, dict):
        raise InvalidBundle(f"{where}: linux must be an object")
    bundle = Bundle(path, annotations, network=_network(linux, where))
    bundle.hooks = hooks.parse(config.get("hooks") or {}, f"{where}: hooks")
    bundle.unsupported = fields.unsupported(config)
    if not bundle.is_sandbox:
        if "process" not in config:
            raise InvalidBundle(f"{where} has no process: there is nothing to run")
        bundle.process = parse_process(config["process"], f"{where}: process")
        bundle.process.personality = scheduling.parse_personality(
            linux.get("personality"), f"{where}: linux.personality"
        )
        bundle.mounts = mounts.parse(config.get("mounts") or [], where)
        bundle.read_only = bool(root.get("readonly"))
        if asks_for_cgroup(annotations):
            bundle.cgroups_path = _cgroups_path(linux, f"{where}: linux.cgroupsPath")
            bundle.resources = resources.parse(linux.get("resources") or {}, f"{where}: linux.resources")
    return bundle


def _network(linux: "dict[str, Any]", where: str) -> str | None:
    namespaces = linux.get("namespaces") or []
    if not isinstance(namespaces, list) or not all(isinstance(entry, dict) for entry in namespaces):
        raise InvalidBundle(f"{where}: linux.namespaces must be a list of objects")
    for entry in namespaces:
        if entry.get("type") == "network":
            path = entry.get("path") or ""
            if not is_text(path):
                raise InvalidBundle(f"{where}: the path of the network namespace must be text, not {path!r}")
            return str(path)
    return None


def _cgroups_path(linux: "dict[str, Any]", where: str) -> str:
    path = linux.get("cgroupsPath")
    if not is_text(path) or not path:
        raise InvalidBundle(f"{where} is needed by the annotation {PREFIX}cgroup, and must be text, not {path!r}")
    return str(path)


def _read_config(path: str) -> "dict[str, Any]":
    where = os.path.join(path, "config.json")
    try:
        data = _read(where)
    except FileNotFoundError:
        raise InvalidBundle(f"there is no bundle at {path}: {where} does not exist") from None
    except OSError as error:
        raise InvalidBundle(f"{where} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidBundle(f"{path!r} is not a path: {error}") from error
    if len(data) > MAX_CONFIG:
        raise InvalidBundle(f"{where} is larger than {MAX_CONFIG >> 20} MiB")
    config = decode(data, where)
    if not isinstance(config, dict):
        raise InvalidBundle(f"{where} must hold a JSON object")
    return config


def _read(path: str) -> bytes:
    """At most one byte more than MAX_CONFIG. A FIFO in the file's place does not block us."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        data = b""
        while len(data) <= MAX_CONFIG and (more := os.read(fd, MAX_CONFIG + 1 - len(data))):
            data += more
        return data
    finally:
        os.close(fd)


def _strings(value: "Any", where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InvalidBundle(f"{where} must be an object of strings")
    return value
