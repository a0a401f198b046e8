from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.docker import leftovers
from cluster.docker.containers import frozen, remove
from cluster.errors import CommandFailed
from cluster.host.commands import Result

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.host import Host
    from tests.fakes.programs import FakePrograms

RULES = """\
-P INPUT ACCEPT
-P FORWARD DROP
-N DOCKER
-N DOCKER-USER
-N MINE
-A FORWARD -j DOCKER-USER
-A FORWARD -o br-9e8a9ba27c8a -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -s 10.0.0.0/8 -m comment --comment "not for docker" -j MINE
-A DOCKER-USER -j RETURN
"""


def test_docker_rules_go_before_docker_chains_and_others_stay() -> None:
    assert leftovers.removals(RULES.splitlines()) == [
        ["-D", "FORWARD", "-j", "DOCKER-USER"],
        ["-D", "FORWARD", "-o", "br-9e8a9ba27c8a", "-j", "DOCKER"],
        ["-D", "FORWARD", "-i", "docker0", "!", "-o", "docker0", "-j", "ACCEPT"],
        ["-D", "DOCKER-USER", "-j", "RETURN"],
        ["-F", "DOCKER"],
        ["-F", "DOCKER-USER"],
        ["-X", "DOCKER"],
        ["-X", "DOCKER-USER"],
    ]


def test_bridges_and_mounts_of_docker_only() -> None:
    links = "1: lo: <UP>\n4: docker0: <UP>\n5: br-9e8a9ba27c8a: <UP>\n6: br-lan: <UP>\n7: veth1@if2: <UP>\n"
    assert leftovers.bridges(links) == ["docker0", "br-9e8a9ba27c8a"]
    mounts = "overlay /c/docker/data overlay rw 0 0\nnsfs /run/x/netns/a nsfs rw 0 0\nx /c/docker/data/b x rw 0 0\n"
    mounts += "x / x rw 0 0\n"
    assert leftovers.mounts_below(mounts, ("/run/x/", "/c/docker/")) == [
        "/run/x/netns/a",
        "/c/docker/data/b",
        "/c/docker/data",
    ]


def test_the_policy_found_before_the_first_daemon_is_the_one_restored(host: Host, programs: FakePrograms) -> None:
    (host.cache.root / "docker").mkdir()
    programs.answers |= {"iptables -w -t filter -S": Result(0, "-P FORWARD ACCEPT\n"), "cat": Result(0)}
    leftovers.remember(host)
    programs.answers["iptables -w -t filter -S"] = Result(0, "-P FORWARD DROP\n")
    leftovers.remember(host)
    leftovers.remove(host)
    assert "iptables -w -P FORWARD ACCEPT" in programs.asked
    assert list((host.cache.root / "docker").iterdir()) == []


@pytest.fixture
def freezer(tmp_path: Path) -> Path:
    for name, state in (("deep/frozen", "FROZEN\n"), ("deep/thawed", "THAWED\n")):
        folder = tmp_path / "freezer" / "abc" / name
        folder.mkdir(parents=True)
        (folder / "freezer.state").write_text(state)
    return tmp_path / "freezer"


def test_frozen_cgroups_are_found_below_their_container(freezer: Path) -> None:
    assert list(frozen(freezer, ["abc", "other"])) == [freezer / "abc/deep/frozen/freezer.state"]


def test_a_frozen_node_is_thawed_and_removed_again(freezer: Path, host: Host, programs: FakePrograms) -> None:
    programs.answers |= {
        "docker rm": [Result(1, err="did not receive an exit event"), Result(0)],
        "tee": Result(0),
        "docker ps": Result(0, "abc\n"),
    }
    remove(host, ["abc", "gone"], freezer)
    assert programs.inputs == ["THAWED"]
    assert programs.asked[-1] == "docker rm --force --volumes abc"


def test_another_failure_to_remove_is_told(tmp_path: Path, host: Host, programs: FakePrograms) -> None:
    programs.answers["docker rm"] = Result(1, err="no")
    with pytest.raises(CommandFailed):
        remove(host, ["abc"], tmp_path)
