"""What file system a container gets: the node's settings, the pod's annotations and the bundle, put together."""

from reaper_runtime.annotations import PREFIX
from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.overlay import Overlay, name_of
from reaper_runtime.rootfs import Rootfs
from reaper_runtime.volumes import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.annotations import Annotations
    from reaper_runtime.config import Config
    from reaper_runtime.oci.bundle import Bundle

KUBERNETES_NAMESPACE = "io.kubernetes.cri.sandbox-namespace"


class Placement:
    """Of the containers of one pod."""

    def __init__(self, config: "Config", containerd_namespace: str) -> None:
        self._config = config
        self._containerd_namespace = containerd_namespace

    def rootfs(self, bundle: "Bundle", wanted: "Annotations", pod_network: str | None) -> Rootfs:
        """For one container. pod_network: the path of the network namespace that the pod was given, if any.

        Raises FailedPrecondition for what is asked for and cannot be had.
        """
        network = _network(bundle, pod_network) if wanted.network == "pod" else ""
        volumes = select(bundle, wanted.dns_mode or self._config.dns_mode, pod_network=bool(network))
        return Rootfs(
            self._overlay(bundle, wanted),
            volumes,
            working_directory="/" if bundle.process is None else bundle.process.cwd,
            read_only=bundle.read_only,
            network=network,
        )

    def _overlay(self, bundle: "Bundle", wanted: "Annotations") -> Overlay | None:
        config = self._config
        if config.overlay_isolation == "none":
            return None
        namespace = bundle.annotations.get(KUBERNETES_NAMESPACE)
        name = name_of(
            config.overlay_isolation,
            namespace or self._containerd_namespace,
            wanted.overlay_name,
            of_containerd=namespace is None,
        )
        return Overlay(name, config.overlay_base, hidden=config.filter_paths)


def _network(bundle: "Bundle", pod_network: str | None) -> str:
    """The path of the network namespace to enter, "" for a pod that has the node's."""
    found = bundle.network if pod_network is None else pod_network  # without a pod, the bundle's own
    if found == "":
        raise FailedPrecondition(
            f"annotation {PREFIX}network: pod: {bundle.path} names no network namespace to enter, and none is made"
        )
    return found or ""
