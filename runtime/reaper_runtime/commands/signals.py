"""Signals as a person writes them: TERM, SIGTERM, term, 15, RTMIN+3, RTMAX-1."""

import signal

from reaper_runtime.errors import InvalidArgument


def number(text: str) -> int:
    """The signal's number; raises InvalidArgument."""
    if text.isdecimal():
        found = int(text[:4])
    else:
        name, sign, offset = _split(text.upper().removeprefix("SIG"))
        known = getattr(signal, f"SIG{name}", None)
        if not isinstance(known, signal.Signals) or (sign and not (name.startswith("RT") and offset.isdecimal())):
            raise InvalidArgument(f"unknown signal {text!r}: it is a name such as TERM or RTMIN+1, or a number")
        found = int(known) + (int(f"{sign}{offset[:4]}") if sign else 0)
    if not 1 <= found <= signal.SIGRTMAX:
        raise InvalidArgument(f"unknown signal {text!r}: signals are 1 to {int(signal.SIGRTMAX)}")
    return found


def _split(name: str) -> tuple[str, str, str]:
    for sign in "+-":
        if sign in name:
            return name.partition(sign)
    return name, "", ""
