"""The environment variables of a process: written out, or from Secrets and ConfigMaps."""

from typing import Annotated, ClassVar

from pydantic import Field

from reaper_api.fields import CONFIG_KEY, ConfigKey, Flag, NoNul, ObjectName, exactly_one, matches
from reaper_api.names import NAME
from reaper_api.rules import ApiModel, Rule

MAX_ENV_VALUE = 32000  # the kernel refuses one NAME=value above 128 KiB; a character takes up to four bytes
_ENV_NAME = "^([-_a-zA-Z]|[.][-_a-zA-Z0-9])[-._a-zA-Z0-9]*$"

_NAME = matches(
    "name", NAME, "name is the name of a Secret or ConfigMap in the task's namespace, as kubectl get shows it"
)
_KEY = matches(
    "key",
    CONFIG_KEY,
    "key is one entry of the Secret or ConfigMap: letters, digits, '-', '_' and '.', such as db.password",
)


class KeyRef(ApiModel):
    """One entry of a Secret or a ConfigMap of the task's namespace."""

    name: ObjectName
    """Name of the Secret or ConfigMap."""

    key: ConfigKey
    """The entry in it."""

    optional: Flag = False
    """True: without the object or the entry the variable is left out. False: the process does not start
    until both are there."""

    RULES: ClassVar = (_NAME, _KEY)


class EnvVarSource(ApiModel):
    """Where a value comes from when the process starts: exactly one of the fields."""

    secret_key_ref: KeyRef | None = None
    """An entry of a Secret."""

    config_map_key_ref: KeyRef | None = None
    """An entry of a ConfigMap."""

    RULES: ClassVar = (
        exactly_one(
            ("secretKeyRef", "configMapKeyRef"),
            "valueFrom names one source: write either secretKeyRef or configMapKeyRef",
        ),
    )


class EnvVar(ApiModel):
    """One environment variable."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """Name: letters, digits, '_', '-' or '.', not starting with a digit."""

    value: Annotated[NoNul, Field(max_length=MAX_ENV_VALUE)] | None = None
    """Value. Absent: empty. $(NAME) becomes the value of a variable declared above it; write $$(NAME) to keep
    it as it is."""

    value_from: EnvVarSource | None = None
    """Takes the value from a Secret or a ConfigMap instead."""

    RULES: ClassVar = (
        matches(
            "name",
            _ENV_NAME,
            "the name of an environment variable has letters, digits, '_', '-' and '.' only and does not start "
            "with a digit or with two dots: write for example MY_VARIABLE",
        ),
        Rule(
            cel="!has(self.valueFrom) || !has(self.value)",
            message="a variable has a value or a source: leave out either value or valueFrom",
            holds=lambda env: env.value_from is None or env.value is None,
            field=".valueFrom",
        ),
    )


class ObjectRef(ApiModel):
    """A Secret or a ConfigMap of the task's namespace."""

    name: ObjectName
    """Its name."""

    optional: Flag = False
    """True: it need not be there. False: the process does not start until it is."""

    RULES: ClassVar = (_NAME,)


class EnvFromSource(ApiModel):
    """Every entry of a Secret or a ConfigMap as a variable: exactly one of the two."""

    prefix: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Put before the name of each variable."""

    secret_ref: ObjectRef | None = None
    """The Secret."""

    config_map_ref: ObjectRef | None = None
    """The ConfigMap."""

    RULES: ClassVar = (
        exactly_one(
            ("secretRef", "configMapRef"),
            "an entry of envFrom names one object: write either secretRef or configMapRef",
        ),
        matches(
            "prefix",
            _ENV_NAME,
            "prefix is the beginning of the name of a variable: letters, digits, '_', '-' and '.', not starting with a "
            "digit, such as DB_",
        ),
    )
