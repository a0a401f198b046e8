"""Reading which containerd runs and what it reads."""

from __future__ import annotations

import pytest

from reaper_node import containerd
from reaper_node.errors import NodeError
from tests.fakes.node import PID, FakeNode

MAIN = "/etc/containerd/config.toml"


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        ([], MAIN),
        (["-c", "/a.toml"], "/a.toml"),
        (["--config", "/b.toml", "--log-level", "info"], "/b.toml"),
        (["--config=/c.toml"], "/c.toml"),
    ],
)
def test_finds_the_configuration_that_the_daemon_was_given(node: FakeNode, arguments: list[str], config: str) -> None:
    node.write(f"/proc/{PID}/cmdline", "\0".join(["/usr/bin/containerd", *arguments]) + "\0")

    assert containerd.find(node, "containerd.service").config == config


@pytest.mark.parametrize(
    ("version", "merges"), [("1.6.20~ds1", False), ("1.7.24", False), ("2.0.0-rc.1", True), ("2.3.4", True)]
)
def test_knows_which_versions_merge(node: FakeNode, version: str, merges: bool) -> None:  # noqa: FBT001
    node.version = version

    assert containerd.find(node, "containerd.service").merges is merges


def test_reads_files_in_the_order_of_containerd(node: FakeNode) -> None:
    node.write(MAIN, 'version = 2\nimports = ["conf.d/*.toml", "/etc/one.toml"]\n')
    node.write("/etc/containerd/conf.d/b.toml", 'imports = ["c.toml"]\n')
    node.write("/etc/containerd/conf.d/a.toml", f'imports = ["{MAIN}"]\n')
    node.write("/etc/containerd/conf.d/c.toml", "")
    node.write("/etc/one.toml", "")

    paths = [file.path for file in containerd.read(node, MAIN)]

    folder = "/etc/containerd/conf.d"
    assert paths == [MAIN, f"{folder}/a.toml", f"{folder}/b.toml", f"{folder}/c.toml", "/etc/one.toml"]


@pytest.mark.parametrize(
    ("main", "reason", "words"),
    [
        (None, "NoContainerdConfig", "containerd config default > /etc/containerd/config.toml"),
        ("version = ", "BadContainerdConfig", "config.toml"),
        (
            'imports = ["/gone.toml"]',
            "BadContainerdConfig",
            "/gone.toml does not exist, but containerd imports it",
        ),
        ('imports = ["/etc/*/x.toml"]', "BadContainerdConfig", "in a folder's name"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_named(
    node: FakeNode, main: str | None, reason: str, words: str
) -> None:
    if main is None:
        node.path(MAIN).unlink()
    else:
        node.write(MAIN, main)

    with pytest.raises(NodeError) as caught:
        containerd.read(node, MAIN)

    assert caught.value.reason == reason
    assert words in str(caught.value)


@pytest.mark.parametrize("main", ["", "version = 1", "version = 9"])
def test_an_unknown_version_is_refused(node: FakeNode, main: str) -> None:
    node.write(MAIN, main)

    with pytest.raises(NodeError, match="configuration version"):
        containerd.version(containerd.read(node, MAIN))


def test_a_daemon_whose_package_was_upgraded_is_its_new_file(node: FakeNode) -> None:
    """The kernel says so of a program whose file was replaced."""
    node.runs("/usr/bin/containerd (deleted)")
    node.write("/usr/bin/containerd", "the new one")

    assert containerd.find(node, "containerd.service").binary == "/usr/bin/containerd"


def test_a_daemon_whose_file_is_gone_has_to_be_restarted(node: FakeNode) -> None:
    node.runs("/usr/bin/containerd (deleted)")

    with pytest.raises(NodeError, match=r"replaced on disk: /usr/bin/containerd, .* restart") as caught:
        containerd.find(node, "containerd.service")

    assert caught.value.reason == "ContainerdReplaced"


def test_a_unit_that_does_not_run_is_named(node: FakeNode) -> None:
    class NoUnit(FakeNode):
        def run(self, *command: str, stdin: bytes = b"", timeout: float = 60) -> str:
            return "0\n"

    with pytest.raises(NodeError, match=r"knows no running k3s.service.*node\.containerd\.unit"):
        containerd.find(NoUnit(node.root.with_name("other")), "k3s.service")
