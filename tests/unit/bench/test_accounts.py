"""What /proc and the audit log say, as figures."""

from __future__ import annotations

import pytest

from tests.bench.accounts import Requests, cpu_seconds, peak_megabytes, requests, seconds_to_create
from tests.integration.control_plane import Request

# /proc/PID/stat of a program whose name is made to confuse: utime 250, stime 50.
STAT = "42 (a ) b (c) S 1 42 42 0 -1 4194560 9 0 0 0 250 50 7 8 20 0 3 0 100 1000 200 18446744073709551615\n"


def request(verb: str, resource: str, at: float, *, code: int = 200) -> Request:
    return Request("reaper", verb, resource, "many", "one", code, at, at + 0.5)


def test_processor_seconds_are_those_of_user_and_system() -> None:
    assert cpu_seconds(STAT, 100) == 3.0


def test_the_peak_is_in_megabytes_of_a_million() -> None:
    assert peak_megabytes("Name:\tpython3\nVmPeak:\t  900000 kB\nVmHWM:\t  100000 kB\nVmRSS:\t   90000 kB\n") == 102.4
    with pytest.raises(ValueError, match="VmHWM"):
        peak_megabytes("Name:\tkthreadd\n")


def test_requests_about_a_lease_are_counted_apart() -> None:
    log = [
        request("get", "reapertasks", 1),
        request("get", "reapertasks", 5),
        request("list", "pods", 5),
        request("patch", "reapertasks/status", 6, code=409),
        request("patch", "leases", 7),
        request("get", "leases", 7),
    ]
    assert requests(log, since=5) == Requests(reads=2, writes=1, leases=2)
    assert requests(log, since=5).total == 3


def test_the_time_to_create_is_from_the_first_sent_to_the_last_answered() -> None:
    log = [
        request("create", "jobs", 10),
        request("create", "jobs", 12),
        request("create", "pods", 11),
        request("create", "pods", 14),
        request("create", "pods", 20, code=409),
        request("create", "events", 30),
    ]
    assert seconds_to_create(log, "jobs", "pods") == 4.5
