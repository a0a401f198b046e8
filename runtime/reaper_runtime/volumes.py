"""Which of a bundle's mounts a host process gets: its volumes, and the files that name hosts for it."""

import os

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.oci.mounts import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_runtime.oci.bundle import Bundle

RESOLV_CONF, HOSTS, HOSTNAME = "/etc/resolv.conf", "/etc/hosts", "/etc/hostname"
_KUBELETS_HOSTS = "/etc-hosts"  # how the source of kubelet's own mount ends
_ALIASES = "# Entries added by HostAliases."  # kubelet's heading (kubernetes/pkg/kubelet/kubelet_pods.go)


def select(bundle: "Bundle", dns_mode: str, *, pod_network: bool) -> list[Mount]:
    """The mounts of a container, in the bundle's order.

    dns_mode: "host" leaves the node's resolv.conf, "kubernetes" takes the pod's. pod_network: whether the process is
    in the pod's network. Raises FailedPrecondition when there is no name server to be had from Kubernetes.
    """
    selected = list(_select(bundle, dns_mode, pod_network=pod_network))
    if dns_mode == "kubernetes" and not any(mount.destination == RESOLV_CONF for mount in selected):
        raise FailedPrecondition(
            f"dns-mode kubernetes: the bundle {bundle.path} mounts no {RESOLV_CONF}; use dns-mode host on this node"
        )
    return selected


def _select(bundle: "Bundle", dns_mode: str, *, pod_network: bool) -> "Iterator[Mount]":
    for mount in bundle.mounts:
        if mount.destination == RESOLV_CONF:
            if dns_mode == "kubernetes":
                _check_name_servers(mount.source)
                yield mount
        elif mount.destination == HOSTS and mount.source.endswith(_KUBELETS_HOSTS):
            yield from _hosts(bundle, mount, pod_network=pod_network)
        elif not mount.of_sandbox:
            yield mount


def _check_name_servers(path: str) -> None:
    try:
        empty = os.stat(path).st_size == 0
    except OSError as error:
        raise FailedPrecondition(f"dns-mode kubernetes: {path} cannot be read: {error.strerror}") from error
    if empty:
        raise FailedPrecondition(f"dns-mode kubernetes: {path} is empty; is the cluster's DNS running?")


def _hosts(bundle: "Bundle", mount: Mount, *, pod_network: bool) -> "Iterator[Mount]":
    """Kubelet's hosts file where it has the node's entries or the pod's own address is right, else the node's.

    For a pod that has a network, but whose process uses the node's, the pod's aliases are added to the node's entries.
    """
    if pod_network or bundle.network is None:
        yield mount
        return
    path = os.path.join(bundle.path, "hosts")
    try:
        if _write_hosts(mount.source, path):
            yield Mount(HOSTS, path, mount.flags, "", recursive=True)
    except OSError as error:
        raise FailedPrecondition(f"{HOSTS} with the pod's aliases: {error.filename}: {error.strerror}") from error


def _write_hosts(kubelets: str, path: str) -> bool:
    """The node's entries and the pod's aliases, if it has any."""
    with open(kubelets) as file:
        _, heading, aliases = file.read().partition(_ALIASES)
    if not heading:
        return False
    with open(HOSTS) as file:
        entries = file.read()
    with open(path, "w") as file:
        file.write(f"{entries.rstrip()}\n\n{heading}{aliases}")
    return True
