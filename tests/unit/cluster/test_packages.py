from __future__ import annotations

import io

import pytest

from cluster.errors import ClusterError
from cluster.host.commands import Result
from cluster.host.console import Console
from cluster.host.packages import Packages
from tests.fakes.programs import FakePrograms

OK = Result(0)


def packages(programs: FakePrograms, *present: str, as_root: tuple[str, ...] = ()) -> Packages:
    return Packages(programs, Console(io.StringIO()), as_root, find=lambda name: name if name in present else None)


def test_nothing_is_asked_of_apt_when_all_is_there() -> None:
    programs = FakePrograms({"dpkg-query": Result(0, "ii ")})
    packages(programs, "gcc").ensure("pause", {"gcc": "gcc", "libc6-dev": ""})
    assert programs.ran("apt-get") == 0


def test_what_is_missing_is_installed_after_one_update() -> None:
    programs = FakePrograms({"dpkg-query": Result(1), "env": OK, "sudo": OK, "apt-get": OK})
    there = packages(programs, "apt-get", "gcc", as_root=("sudo",))
    there.ensure("pause", {"gcc": "gcc", "libc6-dev": ""})
    there.ensure("base", {"mmdebstrap": "mmdebstrap"})
    assert sum(line.endswith("update") for line in programs.asked) == 1
    installs = [line for line in programs.asked if " install " in line]
    assert [line.rpartition("install ")[2] for line in installs] == ["libc6-dev", "mmdebstrap"]
    assert all(line.startswith("sudo env DEBIAN_FRONTEND=noninteractive") for line in installs)


def test_an_installation_that_was_cut_off_is_finished_first() -> None:
    programs = FakePrograms({"env": OK, "apt-get": OK})
    packages(programs, "apt-get").ensure("base", {"mmdebstrap": "mmdebstrap"})
    assert programs.asked[0].endswith("dpkg --configure -a")


def test_without_apt_the_packages_are_named() -> None:
    with pytest.raises(ClusterError, match="the base needs mmdebstrap, and there is no apt-get here"):
        packages(FakePrograms()).ensure("the base", {"mmdebstrap": "mmdebstrap"})


def test_a_failure_names_the_packages_and_keeps_what_apt_said() -> None:
    programs = FakePrograms({"env": OK, "apt-get": Result(100, err="E: no route")})
    with pytest.raises(ClusterError, match="install mmdebstrap by hand") as caught:
        packages(programs, "apt-get").ensure("the base", {"mmdebstrap": "mmdebstrap"})
    assert caught.value.detail == "E: no route"
