"""telemetry.py: several are told as one is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from reaper_operator.key import Key
from reaper_operator.telemetry import Silent, Together, Told

KEY = Key("default", "hello")


class Listener:
    def __init__(self) -> None:
        self.heard: list[object] = []

    @contextmanager
    def request(self, method: str, path: str) -> Iterator[Told]:
        self.heard.append((method, path))
        try:
            yield self.heard.append
        finally:
            self.heard.append("over")

    @contextmanager
    def reconcile(self, key: Key) -> Iterator[Told]:
        self.heard.append(key)
        yield self.heard.append

    def status_written(self, change: Mapping[str, Any], task: Mapping[str, Any]) -> None:
        self.heard.append((change, task))


def test_each_hears_everything() -> None:
    listeners = [Listener(), Listener()]
    together = Together(*listeners)
    with together.reconcile(KEY) as ended, together.request("GET", "/x") as answered:
        answered("200")
        ended("success")
    together.status_written({"a": 1}, {"b": 2})
    for listener in listeners:
        assert listener.heard == [KEY, ("GET", "/x"), "200", "success", "over", ({"a": 1}, {"b": 2})]


def test_an_error_reaches_each() -> None:
    listeners = [Listener(), Listener()]
    with pytest.raises(OSError, match="no route"), Together(*listeners).request("GET", "/x"):
        raise OSError("no route")
    assert [listener.heard[-1] for listener in listeners] == ["over", "over"]


def test_nobody_is_told_without_trouble() -> None:
    silent = Silent()
    with silent.reconcile(KEY) as ended, silent.request("GET", "/x") as answered:
        answered("200")
        ended("success")
    silent.status_written({}, {})
