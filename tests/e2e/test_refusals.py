"""A wrong task or Pod is refused by the API server, at once and with a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from manifests import container, pod, task

if TYPE_CHECKING:
    from kubectl import Kubectl

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"command": []}, "spec.command"),
    ({"command": [""]}, "it is neither empty nor a directory"),
    ({"command": ["bin/tool"]}, "is an absolute path such as /usr/bin/env, or a bare name"),
    ({"restartPolicy": "Sometimes"}, 'supported values: "Never", "OnFailure", "Always"'),
    ({"user": {"uid": -1, "gid": 0}}, "spec.user.uid"),
    ({"user": {"uid": 1000}}, "spec.user.gid"),
    ({"workingDir": "tmp"}, "workingDir is an absolute path on the node"),
    ({"env": [{"name": "1ST", "value": "x"}]}, "the name of an environment variable has letters, digits"),
    ({"terminal": True, "stderr": False}, "a terminal carries stdout and stderr as one stream"),
    ({"nodeName": "two words"}, "nodeName is the name of one node"),
    ({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds"),
    ({"image": "busybox"}, 'unknown field "spec.image"'),
    ({"resources": {"limits": {"memory": "1Gi"}}}, 'unknown field "spec.resources"'),
]


@pytest.mark.parametrize(
    ("spec", "sentence"), WRONG, ids=[next(iter(spec)) + str(n) for n, (spec, _) in enumerate(WRONG)]
)
def test_a_wrong_spec_is_refused(kubectl: Kubectl, spec: dict[str, Any], sentence: str) -> None:
    wrong = task("wrong", "/bin/true")
    wrong["spec"] |= spec

    done = kubectl.apply(wrong, check=False)

    assert done.code != 0
    assert sentence in " ".join(done.err.split())
    assert kubectl.find("reapertask", "wrong") is None


def test_a_spec_cannot_be_changed(kubectl: Kubectl) -> None:
    kubectl.apply(task("fixed", "/bin/true"))

    done = kubectl.apply(task("fixed", "/bin/false"), check=False)

    assert done.code != 0
    assert (
        "command cannot be changed, only suspend, ttlSecondsAfterFinished and activeDeadlineSeconds can: " in done.err
    )


def test_a_pod_that_names_an_image_is_refused(kubectl: Kubectl) -> None:
    done = kubectl.apply(pod("wrong", container("main", "/bin/true") | {"image": "busybox:1"}), check=False)

    assert done.code != 0
    assert (
        "RPR001: Reaper runtime does not use container images. Set 'image: placeholder' or leave it empty. " in done.err
    )
    assert "The binary at '/bin/true' must exist on the host." in done.err
    assert kubectl.find("pod", "wrong") is None


def test_limits_are_warned_about(kubectl: Kubectl) -> None:
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    done = kubectl.apply(pod("free", container("main", "/bin/true", **limits)))

    assert "Warning: " in done.err
    assert "RPR006: Field 'resources.limits.memory: 64Mi' will be ignored. " in " ".join(done.err.split())
    assert kubectl.ended("free")["status"]["phase"] == "Succeeded"
