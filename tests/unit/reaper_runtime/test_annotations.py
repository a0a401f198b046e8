"""Annotations of a container: read, refused by name, or reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.annotations import Annotations, parse
from reaper_runtime.config import Config
from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.oci import bundle
from tests.fakes.containers import NOWHERE, SLEEP
from tests.fakes.runtime import needs_root, write_bundle, write_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.pod import Pod

ALL = {
    "reaper.runtime/dns-mode": "K8s",
    "reaper.runtime/overlay-name": "Team-A",
    "reaper.runtime/network": "pod",
    "reaper.runtime/cgroup": "pod",
    "reaper.runtime/stdout": "discard",
    "io.kubernetes.cri.container-type": "container",
}


def test_all_of_them_are_read() -> None:
    assert parse(ALL) == Annotations("kubernetes", "team-a", "pod", "pod", frozenset({"stdout"}))


def test_none_means_as_the_node_is_configured() -> None:
    assert parse({}) == Annotations() == parse({"reaper.runtime/overlay-name": "", "reaper.runtime/network": " "})


def test_the_task_is_a_name_and_no_setting_of_an_administrator() -> None:
    found = parse({"reaper.runtime/task": "a.b-1"}, enabled=False)

    assert (found.task, found.warnings) == ("a.b-1", ())


@pytest.mark.parametrize("value", ["", "A", "a/b", "..", "a\npid 1", "-a", "a.", "é", "a" * 254])
def test_what_is_no_name_of_a_task_harms_nobody(value: str) -> None:
    found = parse({"reaper.runtime/task": value})

    assert found.task == ""
    assert found.warnings == (f"annotation reaper.runtime/task is ignored: {value!r} is no name of a ReaperTask",)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("dns-mode", "cluster", "host or kubernetes or k8s"),
        ("network", "none", "host or pod"),
        ("cgroup", "yes", "none or pod"),
        ("stderr", "keep", "discard"),
        ("overlay-name", "a/b", "1 to 63 of a-z, 0-9 and -"),
        ("overlay-name", "-a", "1 to 63 of a-z, 0-9 and -"),
        ("overlay-name", "é", "1 to 63 of a-z, 0-9 and -"),
        ("overlay-name", "x" * 64, "1 to 63 of a-z, 0-9 and -"),
    ],
)
def test_a_wrong_value_is_refused_by_name_value_and_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        parse({f"reaper.runtime/{name}": value})
    assert f"annotation reaper.runtime/{name} has the value {value!r}: it takes {allowed}" in str(raised.value)


def test_unknown_ones_are_reported() -> None:
    assert parse({"reaper.runtime/color": "red"}).warnings == (
        "annotation reaper.runtime/color is ignored: this runtime does not know it",
    )


def test_an_administrator_may_keep_dns_and_overlay_to_himself() -> None:
    parsed = parse(ALL, enabled=False)
    assert (parsed.dns_mode, parsed.overlay_name, parsed.network) == ("", "", "pod")
    assert len(parsed.warnings) == 2
    assert parse({"reaper.runtime/dns-mode": "nonsense"}, enabled=False).dns_mode == ""


@given(st.text(max_size=70))
def test_an_overlay_name_is_a_dns_label_or_refused(value: str) -> None:
    try:
        name = parse({"reaper.runtime/overlay-name": value}).overlay_name
    except FailedPrecondition:
        return
    assert len(name) <= 63
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@needs_root
def test_a_container_is_refused_and_the_sandbox_is_not(pod: Pod, tmp_path: Path, run: Callable[..., Any]) -> None:
    wrong = {"reaper.runtime/network": "none"}
    loaded = bundle.load(write_bundle(tmp_path / "one", *SLEEP, annotations=wrong))
    with pytest.raises(FailedPrecondition, match=r"reaper\.runtime/network has the value 'none'"):
        run(pod.create("one", loaded, NOWHERE))
    assert pod.containers == {}
    sandbox = bundle.load(write_sandbox(tmp_path / "sandbox"))
    sandbox.annotations.update(wrong)
    run(pod.create("sandbox", sandbox, NOWHERE))


@needs_root
def test_a_container_tells_the_log_what_it_ignored(pod: Pod, tmp_path: Path, run: Callable[..., Any]) -> None:
    lines: list[str] = []
    pod.warn, pod.config = lines.append, Config(annotations_enabled=False)
    asked = {"reaper.runtime/dns-mode": "host"}
    run(pod.create("one", bundle.load(write_bundle(tmp_path / "one", *SLEEP, annotations=asked)), NOWHERE))
    assert lines == ["annotation reaper.runtime/dns-mode is ignored: REAPER_ANNOTATIONS_ENABLED is false on this node"]
