from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from cluster.docker.client import Docker, Info
from cluster.docker.daemon import Daemon, objection_to_starting, start_time
from cluster.host.commands import Result

if TYPE_CHECKING:
    from cluster.host import Host
    from tests.fakes.programs import FakePrograms


@pytest.fixture
def daemon(host: Host, programs: FakePrograms) -> Daemon:
    (host.cache.root / "docker").mkdir()
    return Daemon(host, Docker(programs, which=lambda name: name))


def record(host: Host, pid: int, started: str | None) -> None:
    (host.cache.root / "docker" / "daemon.json").write_text(json.dumps({"pid": pid, "started": started}))


def test_a_daemon_that_answers_is_used_and_nothing_is_started(daemon: Daemon, programs: FakePrograms) -> None:
    programs.answers["docker info"] = Result(0, json.dumps({"Driver": "overlay2", "CgroupVersion": "2"}))
    assert daemon.ensure() == Info("overlay2", 2)
    assert programs.asked == ["docker info --format '{{json .}}'"]


@pytest.mark.parametrize(
    ("linux", "socket", "environ", "objection"),
    [
        (True, "silent", {}, None),
        (True, "forbidden", {}, "add yourself to the group `docker`"),
        (True, "open", {}, "`docker info` fails"),
        (False, "silent", {}, "start Docker and try again"),
        (True, "silent", {"DOCKER_HOST": "tcp://x"}, "DOCKER_HOST is set"),
    ],
)
def test_where_a_daemon_of_our_own_would_be_wrong(
    linux: bool,  # noqa: FBT001
    socket: str,
    environ: dict[str, str],
    objection: str | None,
) -> None:
    found = objection_to_starting(linux=linux, socket=socket, environ=environ)
    assert (found is None) if objection is None else (found is not None and objection in found)


def test_a_process_is_known_by_its_number_and_its_start(daemon: Daemon, host: Host) -> None:
    record(host, os.getpid(), start_time(os.getpid()))
    assert daemon.ours()
    assert not daemon.died()
    record(host, os.getpid(), "1")
    assert not daemon.ours()
    assert daemon.died()


def test_without_a_record_no_daemon_is_ours_and_none_is_stopped(
    daemon: Daemon, host: Host, programs: FakePrograms
) -> None:
    assert not daemon.ours()
    assert not daemon.died()
    assert not daemon.stop()
    (host.cache.root / "docker" / "daemon.json").write_text("{")
    assert not daemon.stop()
    assert programs.asked == []


def test_start_time_of_nobody() -> None:
    assert start_time(2**22 + 1) is None


def test_docker_without_its_program_or_with_errors_does_not_answer(programs: FakePrograms) -> None:
    assert Docker(programs, which=lambda _: None).info() is None
    programs.answers["docker info"] = Result(0, json.dumps({"ServerErrors": ["cannot connect"]}))
    assert Docker(programs, which=lambda name: name).info() is None


def test_older_tags_of_our_image_are_dropped(programs: FakePrograms) -> None:
    programs.answers["docker image ls"] = Result(0, "reaper/kind-node:a\nreaper/kind-node:b\n")
    Docker(programs).remove_others("reaper/kind-node", "reaper/kind-node:b")
    assert programs.asked[1:] == ["docker image rm reaper/kind-node:a"]
