"""Just enough DNS to ask a cluster's own server one question and to read the answer."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

_A, _IN, _RECURSION_DESIRED = 1, 1, 0x0100
_HEADER = struct.Struct(">6H")
_RECORD = struct.Struct(">HHIH")


def query(name: str, number: int) -> bytes:
    """A question for the IPv4 addresses of `name`."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, _A, _IN)


def addresses(answer: bytes, number: int) -> list[str]:
    """The addresses in the answer to question `number`; none when it is another's answer, or damaged."""
    try:
        found, _, questions, answers, _, _ = _HEADER.unpack_from(answer)
        if found != number:
            return []
        at = _HEADER.size
        for _ in range(questions):
            at = _after_name(answer, at) + 4
        result = []
        for _ in range(answers):
            at = _after_name(answer, at)
            kind, _, _, length = _RECORD.unpack_from(answer, at)
            at += _RECORD.size
            if kind == _A and length == 4:
                result.append(str(IPv4Address(answer[at : at + 4])))
            at += length
    except (struct.error, IndexError, ValueError):
        return []
    return result


def _after_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] >= 0xC0:  # a pointer to an earlier name, which ends this one
            return at + 2
        at += message[at] + 1
    return at + 1
