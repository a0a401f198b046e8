"""What the shim's program is told and answers as it is started, declared by hand from containerd/api (v1.11).

tests/unit/reaper_runtime/wire/test_messages.py proves each of them against Google's protobuf.
"""

from reaper_runtime.wire.protobuf import INT, STRING, Message, field


class BootstrapParams(Message):
    """containerd.runtime.bootstrap.v1.BootstrapParams: what containerd 2.3 and later write to `start`.

    Its extensions are left out: the runtime takes its options from the node's own configuration.
    """

    instance_id: str = field(1, STRING)
    namespace: str = field(2, STRING)
    log_level: int = field(3, INT)
    containerd_version: str = field(4, STRING)
    containerd_ttrpc_address: str = field(5, STRING)
    containerd_grpc_address: str = field(6, STRING)
    containerd_binary: str = field(7, STRING)
    socket_dir: str = field(9, STRING)


class BootstrapResult(Message):
    """containerd.runtime.bootstrap.v1.BootstrapResult: what `start` answers to BootstrapParams."""

    version: int = field(1, INT)
    address: str = field(2, STRING)
    protocol: str = field(3, STRING)


class RuntimeVersion(Message):
    """containerd.types.RuntimeVersion"""

    version: str = field(1, STRING)
    revision: str = field(2, STRING)


class RuntimeInfo(Message):
    """containerd.types.RuntimeInfo: what `-info` prints"""

    name: str = field(1, STRING)
    version: RuntimeVersion | None = field(2, RuntimeVersion)
