"""From a Launch to a listening shim: which pod, which socket, which protocol version."""

import _socket
import os
from _sha256 import sha256  # type: ignore[import-not-found]  # hashlib would load OpenSSL, two megabytes of it

from reaper_runtime.errors import InvalidArgument, MalformedMessage, Unavailable
from reaper_runtime.names import check_id
from reaper_runtime.oci import bundle
from reaper_runtime.shim import sockets
from reaper_runtime.wire.starting import BootstrapParams, BootstrapResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.shim.launch import Launch

GROUP = "io.containerd.runc.v2.group"
SOCKET_DIRECTORY = "/run/containerd/s"
MAX_SOCKET_PATH = 106  # bytes: containerd's own limit, just below that of unix(7)


class Endpoint:
    """The socket of a pod's shim: its path, and the listening socket unless a shim of this pod serves it already."""

    __slots__ = ("listener", "path", "version")

    def __init__(self, path: str, version: int, listener: _socket.socket | None) -> None:
        self.path = path
        self.version = version
        self.listener = listener

    @property
    def address(self) -> str:
        """As containerd writes it down."""
        return f"unix://{self.path}"

    def answer(self) -> bytes:
        """What `start` prints: a BootstrapResult for version 3, which is what such a containerd reads first.

        Every other containerd understands the plain address, and 1.7 refuses version 3.
        """
        if self.version < 3:
            return self.address.encode()
        return BootstrapResult(version=self.version, address=self.address, protocol="ttrpc").encode()


def group_of(launch: "Launch") -> str:
    """The pod of a container: one shim serves all with the same group. Raises InvalidBundle."""
    annotations = bundle.load(launch.bundle).annotations
    return check_id(annotations.get(GROUP) or annotations.get(bundle.SANDBOX_ID) or launch.container, "group id")


def bootstrap_params(launch: "Launch") -> BootstrapParams | None:
    """What containerd 2.3 and later send; None for older ones, which send their options, or nothing.

    The same test as containerd's own shims make: it must name our id and namespace (pkg/shim/compat.go).
    """
    try:
        params = BootstrapParams.decode(launch.bootstrap)
    except MalformedMessage:
        return None
    return params if (params.instance_id, params.namespace) == (launch.container, launch.namespace) else None


def open_endpoint(launch: "Launch", group: str, note: "Callable[[str], None]") -> Endpoint:
    """Listen on the pod's socket, or find the shim that does. Raises InvalidArgument or Unavailable.

    note: called with the socket's path, in sockets.Lock, where nobody serves it and before it is made: who clears up
    after a shim that is killed at any moment has to know of it.
    """
    params = bootstrap_params(launch)
    directory = (params.socket_dir if params else "") or SOCKET_DIRECTORY
    digest = sha256(os.path.join(launch.address, launch.namespace, group).encode()).hexdigest()
    path = os.path.join(directory, digest)
    version = 3 if params else 2
    with sockets.Lock():  # two may be started for one pod at the same time
        if sockets.is_served(path):
            return Endpoint(path, version, None)
        note(path)
        return Endpoint(path, version, listen(path))


def listen(path: str) -> _socket.socket:
    """A listening socket at this path, for our user only; a dead one in its place is removed."""
    if len(path.encode()) > MAX_SOCKET_PATH:
        raise InvalidArgument(
            f"socket path {path} is longer than {MAX_SOCKET_PATH} bytes: shorten the socket directory"
        )
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        listener.bind(path)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Unavailable(f"cannot listen on {path}: {error.strerror}") from error
    finally:
        os.umask(mask)
    return listener
