"""What `start` asks of the fork server, and the answer: netstrings over a Unix socket.

Netstrings (cr.yp.to/proto/netstrings.txt) because they need no module to encode and are exact about lengths.
"""

from reaper_runtime.errors import MalformedMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

RUN_DIRECTORY = "/run/reaper"
MAX_LAUNCH = 8 << 20  # bytes
_LENGTH_DIGITS = 10


def socket_path(build: str) -> str:
    """Where the fork server of this build listens: one of another version is never asked."""
    return f"{RUN_DIRECTORY}/zygote-{build}.sock"


class Launch:
    """One shim to start: containerd's arguments, environment and standard input of `start`."""

    FIELDS = ("container", "namespace", "address", "ttrpc_address", "bundle", "settings", "bootstrap")
    __slots__ = FIELDS

    def __init__(
        self,
        *,
        container: str,
        namespace: str,
        address: str,
        ttrpc_address: str,
        bundle: str,
        bootstrap: bytes,
        settings: str = "",
    ) -> None:
        """bootstrap is what containerd wrote to standard input: BootstrapParams from 2.3 on, options before.

        settings are the variables REAPER_… of its environment, NAME=value, with a NUL after each.
        """
        self.container = container
        self.namespace = namespace
        self.address = address
        self.ttrpc_address = ttrpc_address
        self.bundle = bundle
        self.settings = settings
        self.bootstrap = bootstrap

    def encode(self) -> bytes:
        """All fields, as one netstring of netstrings."""
        values = (getattr(self, name) for name in self.FIELDS)
        return _netstring(b"".join(_netstring(v if isinstance(v, bytes) else v.encode()) for v in values))

    @classmethod
    def decode(cls, data: bytes) -> "Self":
        """The inverse, of what is inside the outer netstring; raises MalformedMessage."""
        values: list[bytes] = []
        while data:
            value, data = split(data)
            values.append(value)
        if len(values) != len(cls.FIELDS):
            raise MalformedMessage(f"a launch has {len(cls.FIELDS)} fields, not {len(values)}")
        *texts, bootstrap = values
        named = dict(zip(cls.FIELDS, (text.decode() for text in texts), strict=False))
        return cls(**named, bootstrap=bootstrap)


def split(data: bytes) -> tuple[bytes, bytes]:
    """The first netstring of data and what follows it; raises MalformedMessage, also when it is not complete."""
    length, colon, rest = data.partition(b":")
    if not colon or not _is_length(length) or rest[int(length) : int(length) + 1] != b",":
        raise MalformedMessage("not a netstring")
    return rest[: int(length)], rest[int(length) + 1 :]


def complete(data: bytes) -> bool:
    """Whether data holds its first netstring whole; raises MalformedMessage when it can never be one."""
    length, colon, rest = data.partition(b":")
    if not colon:
        if data and not _is_length(data):
            raise MalformedMessage("not a netstring")
        return False
    if not _is_length(length) or int(length) > MAX_LAUNCH:
        raise MalformedMessage("not a netstring, or too long")
    return len(rest) > int(length)


def _is_length(data: bytes) -> bool:
    """Digits, and not so many that Python refuses to read them as a number."""
    return len(data) <= _LENGTH_DIGITS and data.isdigit()


def _netstring(data: bytes) -> bytes:
    return b"%d:%b," % (len(data), data)
