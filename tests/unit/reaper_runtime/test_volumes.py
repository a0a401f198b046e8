"""Which mounts a host process gets, and whose names of hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.oci.bundle import Bundle
from reaper_runtime.oci.mounts import Mount
from reaper_runtime.volumes import select

SANDBOX = "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/abc"
KUBELETS = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
10.0.0.5\tmy-pod
"""
ALIASES = "\n# Entries added by HostAliases.\n192.0.2.1\tlicences\n"


def mount(destination: str, source: str) -> Mount:
    return Mount(destination, source, 0, "", recursive=True)


def chosen(
    path: Path, *mounts: Mount, dns: str = "host", network: str | None = "/ns", pod_network: bool = False
) -> list[tuple[str, str]]:
    bundle = Bundle(str(path), {}, None, mounts, network=network)
    return [(m.destination, m.source) for m in select(bundle, dns, pod_network=pod_network)]


def test_volumes_stay_in_their_order(tmp_path: Path) -> None:
    assert chosen(tmp_path, mount("/b", "/x"), mount("/a", "/y")) == [("/b", "/x"), ("/a", "/y")]


def test_what_containerd_wrote_for_the_pod_is_not_for_a_host_process(tmp_path: Path) -> None:
    mounts = [mount("/dev/shm", f"{SANDBOX}/shm"), mount("/etc/hostname", f"{SANDBOX}/hostname")]
    assert chosen(tmp_path, *mounts) == []


def test_the_nodes_name_servers_unless_the_pods_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 10.96.0.10\n")
    resolv = mount("/etc/resolv.conf", str(tmp_path / "resolv.conf"))
    assert chosen(tmp_path, resolv) == []
    assert chosen(tmp_path, resolv, dns="kubernetes") == [("/etc/resolv.conf", resolv.source)]


def test_no_name_server_is_an_error_and_not_the_nodes(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=r"mounts no /etc/resolv.conf"):
        chosen(tmp_path, dns="kubernetes")
    with pytest.raises(FailedPrecondition, match=r"resolv.conf cannot be read: No such file"):
        chosen(tmp_path, mount("/etc/resolv.conf", f"{tmp_path}/resolv.conf"), dns="kubernetes")
    (tmp_path / "resolv.conf").touch()
    with pytest.raises(FailedPrecondition, match=r"resolv.conf is empty"):
        chosen(tmp_path, mount("/etc/resolv.conf", f"{tmp_path}/resolv.conf"), dns="kubernetes")


@pytest.mark.parametrize(("network", "pod_network"), [(None, False), ("/ns", True)])
def test_kubelets_hosts_where_they_are_right(tmp_path: Path, network: str | None, *, pod_network: bool) -> None:
    (tmp_path / "etc-hosts").write_text(KUBELETS)
    hosts = mount("/etc/hosts", f"{tmp_path}/etc-hosts")
    assert chosen(tmp_path, hosts, network=network, pod_network=pod_network) == [("/etc/hosts", hosts.source)]


def test_the_nodes_hosts_for_a_process_in_the_nodes_network(tmp_path: Path) -> None:
    (tmp_path / "etc-hosts").write_text(KUBELETS)
    assert chosen(tmp_path, mount("/etc/hosts", f"{tmp_path}/etc-hosts")) == []


def test_hosts_that_cannot_be_read_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=r"/etc/hosts with the pod's aliases: .*/etc-hosts: No such file"):
        chosen(tmp_path, mount("/etc/hosts", f"{tmp_path}/etc-hosts"))


def test_aliases_are_added_to_the_nodes_hosts(tmp_path: Path) -> None:
    (tmp_path / "etc-hosts").write_text(KUBELETS + ALIASES)
    ((destination, source),) = chosen(tmp_path, mount("/etc/hosts", f"{tmp_path}/etc-hosts"))
    assert destination == "/etc/hosts"
    text = Path(source).read_text()
    assert text.startswith(Path("/etc/hosts").read_text().rstrip())
    assert text.endswith("# Entries added by HostAliases.\n192.0.2.1\tlicences\n")
    assert "my-pod" not in text


def test_a_volume_at_etc_hosts_is_a_volume(tmp_path: Path) -> None:
    assert chosen(tmp_path, mount("/etc/hosts", "/srv/my-hosts")) == [("/etc/hosts", "/srv/my-hosts")]
