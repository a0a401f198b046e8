"""/etc/passwd (passwd(5)), read as a file: a name service may take seconds, and may be a pod of this node itself."""

_FILE = "/etc/passwd"
_UID, _HOME, _FIELDS = 2, 5, 7


def home_of(uid: int, path: str = _FILE) -> str:
    """The home directory of a user; "/" if there is none, as for runc."""
    try:
        with open(path, "rb") as file:
            for line in file:
                fields = line.rstrip(b"\n").split(b":")
                if len(fields) == _FIELDS and fields[_UID] == b"%d" % uid:
                    return fields[_HOME].decode(errors="surrogateescape") or "/"
    except OSError:
        return "/"
    return "/"
