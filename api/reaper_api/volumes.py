"""What is mounted for a process: a task has one container, so a volume and its place are one thing here."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from reaper_api.fields import (
    ATOMIC,
    CONFIG_KEY,
    INT32,
    INT64,
    MAX_ID,
    ConfigKey,
    Flag,
    ObjectName,
    Path,
    ShortName,
    exactly_one,
    matches,
    of_field,
)
from reaper_api.names import DNS_LABEL, NAME
from reaper_api.rules import ApiModel, Rule

MAX_VOLUMES = 32
SOURCES = ("hostPath", "configMap", "secret", "emptyDir", "projected")

_QUANTITY = "^[0-9]+([.][0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"

Mode = Annotated[int, Field(strict=True, ge=0, le=0o777, json_schema_extra=INT32)]


def _is_absolute(path: str) -> bool:
    return path.startswith("/") and "/../" not in f"{path}/"


def _is_relative(path: str) -> bool:
    return not path.startswith(("/", "..")) and "/../" not in f"{path}/"


_RELATIVE_PATH = of_field(
    "path",
    "!self.startsWith('/') && !self.startsWith('..') && !(self + '/').contains('/../')",
    _is_relative,
    "path is relative to the volume and stays in it, such as tls/key.pem: no '/' before it and no '..'",
)


def _absolute(field: str, message: str) -> Rule:
    cel = "self.startsWith('/') && !(self + '/').contains('/../')"
    return of_field(field, cel, _is_absolute, message)


def _named(field: str, kind: str) -> Rule:
    return matches(field, NAME, f"{field} is the name of a {kind} in the task's namespace, as kubectl get shows it")


class KeyToPath(ApiModel):
    """One entry as a file."""

    key: ConfigKey
    """The entry of the Secret or ConfigMap."""

    path: Annotated[Path, Field(max_length=255)]
    """The file's path below the volume."""

    mode: Mode | None = None
    """Permission bits of the file; 0600 in YAML is octal, in JSON write 384. Absent: defaultMode."""

    RULES: ClassVar = (
        matches("key", CONFIG_KEY, "key is one entry: letters, digits, '-', '_' and '.', such as key.pem"),
        _RELATIVE_PATH,
    )


Items = Annotated[tuple[KeyToPath, ...], Field(max_length=32, json_schema_extra=ATOMIC)]


class HostPathSource(ApiModel):
    """A file or directory of the node itself, outside the overlay: what is written there stays there."""

    path: Path
    """Absolute path on the node."""

    type: (
        Literal["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"]
        | None
    ) = None
    """What has to be at the path, or is made there. Absent or empty: not checked."""

    RULES: ClassVar = (
        _absolute("path", "path is an absolute path on the node without '..' in it, such as /var/lib/my-app"),
    )


class ConfigMapSource(ApiModel):
    """The entries of a ConfigMap as files."""

    name: ObjectName
    """Name of the ConfigMap."""

    items: Items | None = None
    """The entries that are mounted. Absent: all."""

    default_mode: Mode | None = None
    """Permission bits of the files. Absent: 0644."""

    optional: Flag = False
    """True: it need not be there. False: the process does not start until it is."""

    RULES: ClassVar = (_named("name", "ConfigMap"),)


class SecretSource(ApiModel):
    """The entries of a Secret as files in memory."""

    secret_name: ObjectName
    """Name of the Secret."""

    items: Items | None = None
    """The entries that are mounted. Absent: all."""

    default_mode: Mode | None = None
    """Permission bits of the files. Absent: 0644; a process of another user than root has to read them."""

    optional: Flag = False
    """True: it need not be there. False: the process does not start until it is."""

    RULES: ClassVar = (_named("secretName", "Secret"),)


class EmptyDirSource(ApiModel):
    """A directory that is empty at the start of an attempt and gone after it."""

    medium: Literal["", "Memory"] | None = None
    """Memory: a tmpfs. Absent or empty: the node's disk."""

    size_limit: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    """The most that it holds, such as 64Mi: the size of a tmpfs; on disk the task is evicted above it."""

    RULES: ClassVar = (matches("sizeLimit", _QUANTITY, "sizeLimit is an amount of bytes such as 64Mi or 1Gi"),)


class ProjectedObject(ApiModel):
    """Entries of a Secret or a ConfigMap."""

    name: ObjectName
    """Its name."""

    items: Items | None = None
    """The entries that are mounted. Absent: all."""

    optional: Flag = False
    """True: it need not be there. False: the process does not start until it is."""

    RULES: ClassVar = (_named("name", "Secret or ConfigMap"),)


class ServiceAccountToken(ApiModel):
    """A token of the task's service account, renewed by kubelet."""

    path: Annotated[Path, Field(max_length=255)]
    """The file's path below the volume."""

    audience: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Who the token is for. Absent: the API server."""

    expiration_seconds: Annotated[int, Field(strict=True, ge=600, le=MAX_ID, json_schema_extra=INT64)] = 3600
    """Seconds that a token is valid; it is renewed before."""

    RULES: ClassVar = (_RELATIVE_PATH,)


class ProjectedPart(ApiModel):
    """One of the sources of a projected volume: exactly one of the fields."""

    secret: ProjectedObject | None = None
    """Entries of a Secret."""

    config_map: ProjectedObject | None = None
    """Entries of a ConfigMap."""

    service_account_token: ServiceAccountToken | None = None
    """A token of the task's service account."""

    RULES: ClassVar = (
        exactly_one(
            ("secret", "configMap", "serviceAccountToken"),
            "a source of a projected volume is one of secret, configMap and serviceAccountToken: write one entry each",
        ),
    )


class ProjectedSource(ApiModel):
    """Several sources in one directory."""

    sources: Annotated[tuple[ProjectedPart, ...], Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)]
    """What is in the directory."""

    default_mode: Mode | None = None
    """Permission bits of the files. Absent: 0644."""


class Volume(ApiModel):
    """Something that is mounted for the process: exactly one of the sources, at a path."""

    name: ShortName
    """Any name that no other volume of the task has."""

    mount_path: Path
    """Absolute path at which the process sees it. It is made where it is missing, in the overlay."""

    read_only: Flag = False
    """True: the process cannot write to it."""

    host_path: HostPathSource | None = None
    """A file or directory of the node itself."""

    config_map: ConfigMapSource | None = None
    """The entries of a ConfigMap as files."""

    secret: SecretSource | None = None
    """The entries of a Secret as files."""

    empty_dir: EmptyDirSource | None = None
    """An empty directory."""

    projected: ProjectedSource | None = None
    """Several Secrets, ConfigMaps and service account tokens in one directory."""

    RULES: ClassVar = (
        matches("name", DNS_LABEL, "the name of a volume has lower case letters, digits and '-', such as my-config"),
        exactly_one(
            SOURCES,
            "a volume has one source: write exactly one of hostPath, configMap, secret, emptyDir and projected",
        ),
        _absolute("mountPath", "mountPath is an absolute path without '..' in it, such as /etc/my-app"),
        of_field(
            "mountPath",
            "self != '/' && !self.contains(':')",
            lambda path: path != "/" and ":" not in path,
            "mountPath is neither / nor has it ':' in it: mount below /, such as at /etc/my-app",
        ),
    )


def mounted_once(field: str) -> Rule:
    """The rule that no two volumes of a list have one place."""
    return of_field(
        field,
        "self.all(v, self.exists_one(other, other.mountPath == v.mountPath))",
        lambda volumes: len({volume.mount_path for volume in volumes}) == len(volumes),
        "two volumes have the same mountPath: give each a path of its own",
    )
