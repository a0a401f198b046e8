"""Parts of the standard library in a smaller form, for what the fork server and its shims import.

`signal` and `typing` bring enumerations and regular expressions along, and whatever else is imported makes each shim
larger, though it never runs: what does run then lies on more pages, and each page that is used is copied
(docs/decisions/0002). `socket` does too: `_socket` is used in its place.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NamedTuple
else:
    import _signal as signal  # the numbers are plain integers
    from collections import namedtuple

    _ALWAYS = {"__module__", "__qualname__", "__doc__", "__annotations__"}

    class _Maker(type):
        def __new__(cls, name: str, bases: tuple, members: dict) -> type:
            if not bases:
                return super().__new__(cls, name, bases, members)
            fields = tuple(members.get("__annotations__", ()))
            given = tuple(field for field in fields if field in members)
            if not fields or given != fields[len(fields) - len(given) :] or members.keys() - _ALWAYS - set(given):
                raise TypeError(f"{name} has more or less than fields, those with a default last")
            made = namedtuple(name, fields, defaults=map(members.get, given), module=members["__module__"])
            made.__doc__ = members.get("__doc__")
            return made

    class NamedTuple(metaclass=_Maker):
        """typing.NamedTuple, of fields only."""


__all__ = ("NamedTuple", "signal")
