"""The webhooks, from an API server in a cluster through their Service to the operator's replicas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from absence import without_operator
from helm import CHART, helm, note, values
from kubectl import RELEASE
from manifests import container, pod, task
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Kubectl

pytestmark = pytest.mark.timeout(300)

# Only the webhooks judge, and a new authority is trusted soon. A slow answer is waited for: without one nobody judges.
ON = {
    "webhooks.enabled": "true",
    "webhooks.timeoutSeconds": "5",
    "webhooks.certificates.checkSeconds": "1",
    "webhooks.certificates.settleSeconds": "2",
    "rules.refusals": "None",
    "rules.warnings": "None",
}


@pytest.fixture(scope="module", autouse=True)
def webhooks(system: Kubectl) -> Iterator[None]:
    """Switched on for these tests, and everything as before after them."""
    had, known_by = values(), note()
    switches = [word for name, value in ON.items() for word in ("--set", f"admission.{name}={value}")]
    upgrade = ("upgrade", RELEASE, CHART, "--values", "-", "--reset-values", "--wait", "--timeout", "120s")
    try:
        helm(*upgrade, *switches, stdin=had)
        yield
    finally:
        helm(*upgrade, "--description", known_by, stdin=had)


@pytest.fixture
def asked(kubectl: Kubectl) -> Kubectl:
    """kubectl in a namespace where the webhooks answer by now."""
    eventually(lambda: "pods.rules.reaper.io" in _judged(kubectl), 60, "the webhooks are asked")
    return kubectl


def _judged(kubectl: Kubectl) -> str:
    """Without making the Pod: nobody would be asked about one that is there."""
    wrong = json.dumps(judged("image: busybox", image="busybox"))
    return kubectl.run("create", "--dry-run=server", "-f", "-", stdin=wrong, check=False).err


def judged(what: str, **more: object) -> dict[str, object]:
    """A Pod that would run a true; `what` is in its annotations for whoever reads a failure."""
    made = pod("judged", container("main", "/bin/true", **more))
    made["metadata"]["annotations"] = {"about": what}
    return made


def test_all_that_is_wrong_is_told_at_once_in_the_linters_words(asked: Kubectl) -> None:
    wrong = judged("image and limits", image="busybox:1", resources={"limits": {"memory": "64Mi"}})
    done = asked.apply(wrong, check=False)
    assert done.code == 1
    assert "Warning: RPR006: Field 'resources.limits.memory: 64Mi' will be ignored" in done.err
    assert 'admission webhook "pods.rules.reaper.io" denied the request' in done.err
    assert "RPR001: Field 'image: busybox:1' will be ignored" in done.err
    assert asked.find("pod", "judged") is None


def test_what_is_only_doubtful_is_made_and_told(asked: Kubectl) -> None:
    done = asked.apply(judged("limits", resources={"limits": {"memory": "64Mi"}}))
    assert "Warning: RPR006" in done.err
    assert asked.ended("judged")["status"]["phase"] == "Succeeded"


def test_a_workload_is_judged_before_it_makes_pods(asked: Kubectl) -> None:
    labels = {"app": "judged"}
    template = {"metadata": {"labels": labels}, "spec": judged("template", image="busybox:1")["spec"]}
    template["spec"].pop("restartPolicy")  # type: ignore[attr-defined]
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "judged"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    done = asked.apply(deployment, check=False)
    assert done.code == 1
    assert "RPR001" in done.err


def test_tasks_are_judged_too_and_run(asked: Kubectl) -> None:
    wrong = task("judged", "true")
    wrong["metadata"]["annotations"] = {"reaper.runtime/dns-mode": "host"}  # a task has spec.dnsMode
    done = asked.apply(wrong)
    assert "Warning: RPR104" in done.err
    assert asked.finished("judged")["status"]["phase"] == "Succeeded"


def test_without_an_operator_everything_goes_on(asked: Kubectl, system: Kubectl) -> None:
    with without_operator(system):
        done = asked.apply(judged("nobody answers", resources={"limits": {"memory": "64Mi"}}))
        assert "RPR006" not in done.err
        assert asked.ended("judged")["status"]["phase"] == "Succeeded"


def test_a_new_authority_after_the_secret_was_emptied(asked: Kubectl, system: Kubectl) -> None:
    secret = f"{RELEASE}-operator-webhooks"
    before = system.get("secret", secret)["data"]["ca.crt"]
    system.run("patch", "secret", secret, "--type=merge", "-p", '{"data":null}')
    eventually(lambda: system.get("secret", secret).get("data", {}).get("ca.crt", before) != before, 60, "it is new")
    eventually(lambda: "pods.rules.reaper.io" in _judged(asked), 60, "the webhooks are asked again")
