"""/etc/reaper/reaper.conf: what an administrator decides for a node.

Lines of KEY=VALUE; what begins with # is a comment; the environment wins over the file. A wrong value is an error,
and then nothing of the file counts: half a configuration is one that nobody wrote.
"""

import os

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.stdlib import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

PATH = "/etc/reaper/reaper.conf"
PREFIX = "REAPER_"
MAX_SIZE = 1 << 20  # bytes
OVERLAY_BASE = "/run/reaper/overlays"
SENSITIVE_PATHS = (
    "/root/.ssh",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ssh/ssh_host_*_key",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/kubernetes",
    "/var/lib/kubelet",
    "/var/lib/docker",
)


class InvalidConfig(FailedPrecondition):
    """reaper.conf, or a variable of the environment in its place, cannot be used."""


class Config(NamedTuple):
    """The configuration of a node, as it was when it was read."""

    dns_mode: str = "host"  # or "kubernetes"
    overlay_isolation: str = "namespace"  # or "node" or "none"
    overlay_base: str = OVERLAY_BASE
    annotations_enabled: bool = True
    filter_paths: tuple[str, ...] = SENSITIVE_PATHS  # what an overlay hides, after all settings
    refuse_unsupported: bool = False
    runtime_root: str = "/run/reaper"
    runtime_log: str = ""
    shim_log: str = ""
    warnings: tuple[str, ...] = ()  # for whoever has a log: lines that were read and mean nothing


def _choice(*allowed: str, **aliases: str) -> "Callable[[str], str]":
    def parse(value: str) -> str:
        folded = value.lower()
        if folded not in (*allowed, *aliases):
            raise ValueError(" or ".join((*allowed, *aliases)))
        return aliases.get(folded, folded)

    return parse


def _flag(value: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    try:
        return words[value.lower()]
    except KeyError:
        raise ValueError("true or false") from None


def _path(value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise ValueError("an absolute path")
    return os.path.normpath(value)


def _paths(value: str) -> tuple[str, ...]:
    try:
        return tuple(_path(entry) for entry in value.split(":") if entry)
    except ValueError:
        raise ValueError("absolute paths with a colon between them") from None


class Key(NamedTuple):
    """A line of reaper.conf: its name without REAPER_, how it is read, and one sentence for an administrator."""

    name: str
    kind: str
    default: str
    meaning: str
    parse: "Callable[[str], Any]"


KEYS = (
    Key("DNS_MODE", "host or kubernetes (k8s)", "host",
        "Whose `/etc/resolv.conf` a container reads: the node's, or the one that kubelet made for the pod.",
        _choice("host", "kubernetes", k8s="kubernetes")),
    Key("OVERLAY_ISOLATION", "namespace, node or none", "namespace",
        "Who shares what containers write: the pods of a Kubernetes namespace, all pods of the node, or `none`: no "
        "overlay, containers write to the node itself.",
        _choice("namespace", "node", "none")),
    Key("OVERLAY_BASE", "path", OVERLAY_BASE,
        "The directory below which overlays are kept.",
        _path),
    Key("ANNOTATIONS_ENABLED", "true or false", "true",
        "Whether a pod may choose its DNS mode and its overlay by annotation.",
        _flag),
    Key("FILTER_ENABLED", "true or false", "true",
        "Whether an overlay hides sensitive files of the node from its containers.",
        _flag),
    Key("FILTER_MODE", "append or replace", "append",
        "Whether `REAPER_FILTER_PATHS` is added to the built-in list of sensitive files, or takes its place.",
        _choice("append", "replace")),
    Key("FILTER_PATHS", "paths, separated by colons", "",
        "More files and directories to hide. `*`, `?` and `[…]` mean what they mean to a shell.",
        _paths),
    Key("FILTER_ALLOWLIST", "paths, separated by colons", "",
        "Files and directories not to hide, written exactly as they are listed.",
        _paths),
    Key("UNSUPPORTED", "warn or refuse", "warn",
        "What happens to a container whose specification asks for what a host process cannot have.",
        _choice("warn", "refuse")),
    Key("RUNTIME_ROOT", "path", "/run/reaper",
        "`reaper-runtime create` and its kin keep their containers in `oci/` below this directory.",
        _path),
    Key("RUNTIME_LOG", "path", "",
        "The file to which `reaper-runtime` logs unless `--log` names another; empty: none.",
        _path),
    Key("SHIM_LOG", "path", "",
        "A file to which the shims log besides containerd's log; empty: none.",
        _path),
)  # fmt: skip

WITHOUT_MEANING = {
    "OVERLAY_NS": "an overlay is a mount of the node here, and no namespace is held for it",
    "OVERLAY_LOCK": "the locks of overlays are in /run/reaper/locks",
    "RUNTIME_PATH": "the shim runs processes itself",
    "FILTER_DIR": "what is hidden is hidden inside the overlay, without files elsewhere",
}

_BY_NAME = {key.name: key for key in KEYS}


def load(environment: "Mapping[str, str]", default_path: str = PATH) -> Config:
    """The configuration from the file and this environment; raises InvalidConfig.

    REAPER_CONFIG names another file. The default one need not exist, one that is named must.
    """
    named = environment.get(f"{PREFIX}CONFIG")
    values: dict[str, Any] = {}
    warnings: list[str] = []
    path = named or default_path
    for number, line in enumerate(_lines(path, must_exist=bool(named)), 1):
        _read_line(line, f"{path} line {number}", values, warnings)
    for name in (*_BY_NAME, *WITHOUT_MEANING):
        if environment.get(PREFIX + name):
            _set(name, environment[PREFIX + name], "the environment", values, warnings)
    return _config(values, tuple(warnings))


def _lines(path: str, *, must_exist: bool) -> list[str]:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise InvalidConfig(f"{path} is larger than {MAX_SIZE >> 20} MiB: it is no reaper.conf")
        return data.decode().split("\n")
    except FileNotFoundError:
        if must_exist:
            raise InvalidConfig(f"{path} does not exist: correct {PREFIX}CONFIG, which names it") from None
        return []
    except OSError as error:
        raise InvalidConfig(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidConfig(f"{path} is not a text in UTF-8, or no path: {error}") from error


def _read_line(line: str, where: str, values: "dict[str, Any]", warnings: list[str]) -> None:
    text = line.strip()
    if not text or text.startswith("#"):
        return
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise InvalidConfig(f"{where}: {text!r} is not KEY=VALUE: write one setting a line, and # before a comment")
    if not key.startswith(PREFIX):
        warnings.append(f"{where}: {key} is ignored: a key begins with {PREFIX}")
        return
    name = key.removeprefix(PREFIX)
    if name in values:
        warnings.append(f"{where}: {key} is set a second time: this line counts")
    _set(name, value, where, values, warnings)


def _set(name: str, value: str, where: str, values: "dict[str, Any]", warnings: list[str]) -> None:
    """An empty value means the default."""
    if name in WITHOUT_MEANING:
        warnings.append(f"{where}: {PREFIX}{name} has no meaning for this runtime: {WITHOUT_MEANING[name]}")
        return
    key = _BY_NAME.get(name)
    if key is None:
        warnings.append(f"{where}: {PREFIX}{name} is ignored: there is no such key")
        return
    try:
        values[name] = key.parse(value or key.default) if value or key.default else None
    except ValueError as error:
        raise InvalidConfig(f"{where}: {PREFIX}{name}={value} is not valid: it takes {error}") from None


def _config(values: "dict[str, Any]", warnings: tuple[str, ...]) -> Config:
    default = Config()
    get = values.get
    return Config(
        dns_mode=get("DNS_MODE") or default.dns_mode,
        overlay_isolation=get("OVERLAY_ISOLATION") or default.overlay_isolation,
        overlay_base=get("OVERLAY_BASE") or default.overlay_base,
        annotations_enabled=get("ANNOTATIONS_ENABLED", default.annotations_enabled),
        filter_paths=_filters(values),
        refuse_unsupported=get("UNSUPPORTED") == "refuse",
        runtime_root=get("RUNTIME_ROOT") or default.runtime_root,
        runtime_log=get("RUNTIME_LOG") or "",
        shim_log=get("SHIM_LOG") or "",
        warnings=warnings,
    )


def _filters(values: "dict[str, Any]") -> tuple[str, ...]:
    """The built-in list, what is added or replaces it, less what is allowed; each path once, in order."""
    if not values.get("FILTER_ENABLED", True):
        return ()
    built_in = () if values.get("FILTER_MODE") == "replace" else SENSITIVE_PATHS
    allowed = values.get("FILTER_ALLOWLIST") or ()
    hidden = dict.fromkeys((*built_in, *(values.get("FILTER_PATHS") or ())))
    return tuple(path for path in hidden if path not in allowed)
