"""Which images kubelet pulls where no policy is written: as Kubernetes' own defaults read a reference."""

from __future__ import annotations

import pytest

from reaper_api.ruleset.image import pulls_always

DIGEST = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "image",
    [
        "placeholder",
        "busybox:latest",
        "a/b",
        "host:5000/a",
        "HOST:5000/a:latest",
        "a.b/c/d",
        f"a:latest{DIGEST}",
        "a__b",
    ],
)
def test_always(image: str) -> None:
    assert pulls_always(image)


@pytest.mark.parametrize(
    "image",
    [
        "busybox:1",
        "host:5000/a:1",
        f"a{DIGEST}",
        f"a:1{DIGEST}",
        "",
        None,
        5,
        ["a"],
        "a:b:c",
        "a b",
        "Busybox",
        "a@sha256:1",
    ],
)
def test_only_if_it_is_not_there(image: object) -> None:
    assert not pulls_always(image)
