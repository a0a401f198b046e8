"""Tasks that are so plain that nothing can be wrong with their fields: most are, and then the models, which take longer
to load than all the rest, need not be asked.

Narrower than the schema everywhere, and never wider: no is only "ask the models". A test asks them about all sorts of
tasks that are plain here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from reaper_api.vocabulary import RestartPolicy

_LENGTH, _ITEMS, _NUMBER = 1000, 50, 1000
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")

Check = Callable[[Any], bool]


def is_plain_name(name: object) -> bool:
    """Whether it is without doubt the name of an object."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def is_plain(task: Mapping[str, Any]) -> bool:
    """Whether no field of it is unknown, repeated or wrong. False: that is not known."""
    return task.keys() <= {"apiVersion", "kind", "metadata", "spec"} and _has("command", **_SPEC)(task.get("spec"))


def _has(*required: str, **checks: Check) -> Check:
    """A mapping with these fields and no other."""

    def check(value: Any) -> bool:
        return (
            isinstance(value, Mapping)
            and all(name in value for name in required)
            and all(key in checks and checks[key](item) for key, item in value.items())
        )

    return check


def _items(check: Check) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= _ITEMS and all(map(check, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LENGTH and "\0" not in value


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _NUMBER


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 65535


def _is_path(value: Any) -> bool:
    return _is_text(value) and value.startswith("/")


def _is_command(value: Any) -> bool:
    return _items(_is_text)(value) and bool(value) and _is_path(value[0]) and not value[0].endswith("/")


def _is_environment(value: Any) -> bool:
    return _items(_VARIABLES)(value) and len({variable["name"] for variable in value}) == len(value)


_VARIABLES = _has("name", name=lambda name: isinstance(name, str) and bool(_VARIABLE.fullmatch(name)), value=_is_text)
_SPEC: dict[str, Check] = {
    "command": _is_command,
    "args": _items(_is_text),
    "env": _is_environment,
    "restartPolicy": lambda value: isinstance(value, str) and value in list(RestartPolicy),
    "workingDir": _is_path,
    "user": _has("uid", "gid", uid=_is_id, gid=_is_id),
    "stdin": _is_flag,
    "stdout": _is_flag,
    "stderr": _is_flag,
    "suspend": _is_flag,
    "backoffLimit": _is_number,
    "activeDeadlineSeconds": _is_number,
    "ttlSecondsAfterFinished": _is_number,
    "terminationGracePeriodSeconds": _is_number,
    "nodeName": is_plain_name,
}
