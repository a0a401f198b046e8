"""What an overlay lays over one file system of the node: a directory for what is written, and one for overlayfs's work.

The kernel's side of it: Documentation/filesystems/overlayfs.rst.
"""

import errno
import os
from _sha256 import sha256  # type: ignore[import-not-found]  # hashlib would load OpenSSL

from reaper_runtime.host import libc, mounts, whiteout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from reaper_runtime.host.root import Place, Root

_OPTIONS = (",redirect_dir=on", "")  # directories of the node can be renamed; where the kernel refuses, they are copied
_NAME_BYTES = 255  # NAME_MAX


def name_of(path: str) -> str:
    """A path as one file name, cut where it would be too long for one: a digest tells such apart."""
    name = path.replace("%", "%25").replace("/", "%2F")
    if len(os.fsencode(name)) <= _NAME_BYTES:
        return name
    return f"{name[:32]}%{sha256(os.fsencode(path)).hexdigest()}"


def mount(path: str, layer: str, place: "Place", hidden: "Iterable[str]") -> None:
    """Show the file system at this path of the node at a place, writable; what is written goes into the layer.

    hidden: paths of the node in it that must not be seen. Raises OSError where the kernel cannot do that.
    """
    upper, work = os.path.join(layer, "upper"), os.path.join(layer, "work")
    for directory in (upper, work):
        os.makedirs(directory, exist_ok=True)
    whiteout.copy_attributes(path, upper)
    whiteout.hide(hidden, path, upper)
    options = ",".join(
        f"{key}={_escape(value)}" for key, value in (("lowerdir", path), ("upperdir", upper), ("workdir", work))
    )
    for extra in _OPTIONS:
        try:
            libc.mount("reaper", place.name, "overlay", 0, options + extra)
        except OSError:
            if extra == _OPTIONS[-1]:
                raise
        else:
            return


def bind_read_only(path: str, place: "Place", root: "Root", kept: int | None = None) -> None:
    """Show it as it is, and let nobody write. kept: as for mounts.restrict()."""
    mounts.bind(path, place.name, recursive=False)
    found = root.open_as_written(path)  # what is mounted now, and not what it was mounted on
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "a directory above it was moved meanwhile", path)
    with found as mounted:
        mounts.restrict(mounted.name, mounts.MS_RDONLY, kept)


def unmount(path: str, root: "Root") -> None:
    """Show nothing at this path of an overlay any more; who sees it already goes on seeing it."""
    found = root.open_as_written(path)
    if found is None:
        return  # moved or removed inside, and with it the mount
    with found as place:
        try:
            libc.unmount(place.name, mounts.MNT_DETACH)
        except OSError as error:
            if error.errno != errno.EINVAL:  # nothing is mounted there
                raise


def _escape(path: str) -> str:
    """A path as a mount option of overlayfs, where \\ : and , mean something."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
