"""Which cluster, as whom: kubectl's own flags, passed on to it as they are."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Target:
    """Each field is a flag of kubectl with `_` for `-`; empty where it was not given."""

    namespace: str = ""
    context: str = ""
    kubeconfig: str = ""
    cluster: str = ""
    server: str = ""
    token: str = ""
    as_user: str = ""
    as_group: tuple[str, ...] = ()
    request_timeout: str = ""

    def over(self, other: Target) -> Target:
        """These flags, and for what they leave out those of `other`."""
        given = {field.name: value for field in fields(self) if (value := getattr(self, field.name))}
        return replace(other, **given)

    def words(self) -> list[str]:
        """The flags as kubectl takes them."""
        return list(self._words())

    def _words(self) -> Iterator[str]:
        for field in fields(self):
            value = getattr(self, field.name)
            flag = "--as" if field.name == "as_user" else f"--{field.name.replace('_', '-')}"
            for each in value if isinstance(value, tuple) else (value,):
                if each:
                    yield f"{flag}={each}"
