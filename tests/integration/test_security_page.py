"""docs/security.md: its examples are run in their order, and its names are the chart's."""

from __future__ import annotations

import re
import shlex
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.integration.charts import CHART, ROOT, render
from tests.integration.tenancy import Done, pod, task, until

if TYPE_CHECKING:
    from tests.integration.tenancy import Tenancy

pytestmark = pytest.mark.timeout(180)

PAGE = (ROOT / "docs" / "security.md").read_text()
BLOCKS = re.findall(r"^```(sh|yaml)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
KUBECTL = [(kind, text) for kind, text in BLOCKS if kind == "yaml" or text.startswith("kubectl")]
HELM = [text.strip() for _, text in BLOCKS if text.startswith("helm")]


def test_every_block_is_run_somewhere() -> None:
    assert len(KUBECTL) == 7
    assert len(HELM) == len(BLOCKS) - len(KUBECTL) == 3


def test_a_namespace_is_opened_used_and_closed(tenancy: Tenancy) -> None:
    jane = tenancy.people["jane"]
    opened, asked, by_file, engine, closed, emptied, narrowed = (text for _, text in KUBECTL)

    tenancy.admin.shell(opened).ok()
    until("what the page says next is true", partial(_works, tenancy, asked))
    jane.create("team-a", task("hello"), pod("hello")).ok()

    assert tenancy.admin.kubectl("apply", "-f", "-", stdin=_listed(by_file)).code == 0
    edit = ("create", "rolebinding", "edit", "-n", "team-b", "--clusterrole=edit", "--group=team-b")
    tenancy.admin.kubectl(*edit).ok()
    as_bert = ("--as", "bert", "--as-group", "team-b", "--dry-run=server")
    good, root = task("t", user={"uid": 2001, "gid": 2099}), task("t")
    until("the namespace is seen", lambda: tenancy.admin.create("team-b", good, words=as_bert).code == 0)
    assert "may not have uid 0" in tenancy.admin.create("team-b", root, words=as_bert).err

    tenancy.admin.shell(engine).ok()
    tenancy.until_may("system:serviceaccount:workflows:controller", "use", "hostprocesses", "team-a")

    tenancy.admin.shell(closed).ok()
    dry = ("--dry-run=server",)
    until("it is closed", lambda: "does not allow" in jane.create("team-a", task("late"), words=dry).err)

    tenancy.admin.shell(emptied).ok()
    suspended = ("get", "reapertask", "hello", "-n", "team-a", "-o", "jsonpath={.spec.suspend}")
    assert tenancy.admin.kubectl(*suspended).out == "true"
    until("the Pod is gone", lambda: "NotFound" in tenancy.admin.kubectl("get", "pod", "hello", "-n", "team-a").err)

    tenancy.admin.shell(narrowed).ok()


def _works(tenancy: Tenancy, script: str) -> bool:
    return tenancy.admin.shell(script).code == 0


def _listed(documents: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "List", "items": list(yaml.safe_load_all(documents))}


@pytest.mark.parametrize("command", HELM)
def test_what_is_switched_is_a_value_and_changes_something(command: str) -> None:
    words = shlex.split(command)
    assert words[:4] == ["helm", "upgrade", "reaper", "charts/reaper"]
    settings = [word for option, word in pairwise(words) if option == "--set"]

    assert settings
    assert render(*settings) != render()


def test_it_names_every_policy_for_people_and_no_other() -> None:
    named = set(re.findall(r"`(reaper-(?:access-\w+|ephemeralcontainers))`", PAGE))

    policies = {name for kind, name in render() if kind == "ValidatingAdmissionPolicy" and "-rules-" not in name}
    assert named == policies - {"reaper-node", "reaper-node-status"}  # of our own node agent: docs/nodes.md


def test_it_names_every_value() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["admission"]

    assert {f"admission.access.{name}" for name in values["access"]} <= _values() | {"admission.access.gids"}
    assert "admission.defaults.enabled" in _values()
    for name in _values():
        node: object = {"admission": values}
        for part in name.split("."):
            assert isinstance(node, dict)
            node = node[part]


def _values() -> set[str]:
    return set(re.findall(r"\badmission(?!\.md)(?:\.\w+)+", PAGE))


def test_the_refusal_that_it_shows_is_the_one_that_people_see(tenancy: Tenancy) -> None:
    (shown,) = re.findall(r"^```\n(Error from server.*?)```$", PAGE, re.MULTILINE | re.DOTALL)
    metadata = {"name": "team-a", "labels": {"reaper.io/allow": "true"}}
    tenancy.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    tenancy.admin.kubectl("delete", "rolebinding", "jane-host-processes", "-n", "team-a", "--ignore-not-found").ok()
    binding = ("create", "rolebinding", "jane-makes", "-n", "team-a", "--clusterrole=edit", "--user=jane")
    tenancy.admin.kubectl(*binding).ok()
    expected = " ".join(shown.split())

    until("it is what is shown", partial(_is_shown, tenancy, expected))


def _is_shown(tenancy: Tenancy, expected: str) -> bool:
    done: Done = tenancy.people["jane"].create("team-a", task("hello-again"), words=("--dry-run=server",))
    said = done.err.replace('error when creating "STDIN": ', "").replace("hello-again", "hello")
    return " ".join(said.split()) == expected
