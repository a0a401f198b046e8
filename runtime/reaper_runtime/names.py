"""Ids that become file names. Without the re module: the commands that containerd waits for use this too."""

from reaper_runtime.errors import InvalidArgument

_MAX = 120  # a container id, an exec id and two characters more make a file name, which has 255 at most


def check_id(value: str, what: str = "container id") -> str:
    """The id itself; raises InvalidArgument unless it is safe as a file name."""
    if not (0 < len(value) <= _MAX and value.isascii() and value[0].isalnum() and all(map(_allowed, value))):
        raise InvalidArgument(
            f"{what} {value!r} is not valid: it takes 1 to {_MAX} letters, digits and . _ + -, "
            "the first a letter or digit"
        )
    return value


def _allowed(character: str) -> bool:
    return character.isalnum() or character in "._+-"
