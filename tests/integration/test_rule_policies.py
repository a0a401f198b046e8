"""The policies of the rule table as the chart brings them, on a real API server, with no operator anywhere."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from reaper_api import vocabulary as v
from reaper_api.ruleset.rule import Admission
from reaper_api.ruleset.table import BY_ID, findings
from reaper_api.ruleset.template import WORKLOADS
from reaper_api.task import ReaperTask
from reaper_api.translate import pod_for
from tests.fakes.cluster import task_body
from tests.fakes.judged import JUDGED, Judged
from tests.fakes.refusals import task
from tests.integration.api import MERGE, Answer, Api
from tests.integration.charts import ROOT, program, render
from tests.integration.planes import PATIENCE, install, install_crd, make_namespace, running
from tests.integration.replicas import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(180)

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICIES = ("reaper-rules-refused", "reaper-rules-tasks", "reaper-rules-warned")
MUTATING = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
OPERATOR = "system:serviceaccount:reaper-system:reaper-operator"
NAMESPACES: dict[str, Any] = {
    "judged": {},
    "spared": {"labels": {v.LABEL_RULES: v.NO_RULES}},
    "broken": {"labels": {v.LABEL_RULES: "", v.LABEL_ALLOW: ""}, "annotations": {v.ANNOTATION_UIDS: "everybody"}},
}
BAD = next(judged.body for judged in JUDGED if judged.id == "the plan's mistake")  # breaks one rule of each kind
BAD_TASK = task({"command": ["true"]})
BAD_TASK["metadata"]["annotations"] = {"reaper.runtime/dns-mode": "host"}

Body = dict[str, Any]
PAGE = (ROOT / "docs" / "admission.md").read_text()


class Verdict(NamedTuple):
    """What becomes of an object."""

    refused: bool
    warned: list[str]
    """Ids of rules."""


class Setting(NamedTuple):
    """Values of the chart."""

    refusals: str
    warnings: str

    def words(self) -> tuple[str, str]:
        """For --set."""
        return f"admission.rules.refusals={self.refusals}", f"admission.rules.warnings={self.warnings}"

    def expected(self, ids: list[str]) -> Verdict:
        """Of an object that breaks these rules."""
        deny = [name for name in ids if BY_ID[name].admission is Admission.DENY]
        warn = [name for name in ids if BY_ID[name].admission is Admission.WARN]
        said = [*(deny if self.refusals == "Warn" else ()), *(warn if self.warnings == "Warn" else ())]
        return Verdict(bool(deny) and self.refusals == "Deny", sorted(said))


SHIPPED = Setting("Deny", "Warn")
SETTINGS = (SHIPPED, Setting("Warn", "Audit"), Setting("Audit", "Warn"), Setting("None", "None"))


def create(api: Api, body: Body, namespace: str = "judged", *, user: str = "", dry: bool = True) -> Answer:
    """POST it, as kubectl create does; as somebody else with all rights."""
    if body["kind"] == v.KIND:
        path = f"/apis/{v.GROUP}/{v.VERSION}/namespaces/{namespace}/{v.PLURAL}"
    else:
        workload = WORKLOADS[body["kind"]]
        root = f"/apis/{workload.group}" if workload.group else "/api"
        path = f"{root}/{workload.version}/namespaces/{namespace}/{workload.resource}"
    headers = {"Impersonate-User": user, "Impersonate-Group": "system:masters"} if user else {}
    query = {"dryRun": "All"} if dry else {}
    return api.request("POST", path, body, headers=headers, **query)


def verdict(answer: Answer) -> Verdict:
    """What the policies have said."""
    said = sorted({name for text in answer.warnings for name in re.findall(r"': (RPR\d{3}): ", text)})
    return Verdict("reaper-rules-" in answer.message, said)


def template(body: Body) -> Any:
    """Where metadata and spec of its Pods are."""
    place: Any = body
    for part in WORKLOADS[body["kind"]].template:
        place = place[part]
    return place


def untouched(answer: Answer) -> bool:
    """Made, and not a word."""
    return answer.status == 201 and not answer.warnings


def put_in_force(api: Api, setting: Setting, *, defaults: bool = False) -> None:
    """Only these, as the chart has them for this setting."""
    objects = render(*setting.words(), has=[MUTATING] if defaults else [])
    for resource in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        for name in POLICIES:
            api.request("DELETE", f"{ADMISSION}/{resource}/{name}")
    eventually("no policy is in force", PATIENCE, lambda: untouched(create(api, BAD_TASK)) and _silent(api))
    for (kind, name), item in objects.items():
        if kind.startswith("ValidatingAdmissionPolicy") and name in POLICIES:
            install(api, item)
    for body in (BAD, BAD_TASK):
        wanted = setting.expected([found.rule.id for found in findings(body)])
        eventually(f"{setting} is in force", PATIENCE, partial(_is_judged, api, body, wanted))


def _silent(api: Api) -> bool:
    return _is_judged(api, BAD, Verdict(refused=False, warned=[]))


def _is_judged(api: Api, body: Body, wanted: Verdict) -> bool:
    return verdict(create(api, body)) == wanted


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with the CRD, the RuntimeClass and namespaces, and with controllers."""
    with running(tmp_path_factory.mktemp("plane"), {}) as plane:
        api = Api(str(plane.kubeconfig()))
        install_crd(api)
        install(api, render()["RuntimeClass", v.RUNTIME_CLASS])
        for name, metadata in NAMESPACES.items():
            make_namespace(api, name)
            api.request("PATCH", f"/api/v1/namespaces/{name}", {"metadata": metadata}, content_type=MERGE).ok()
        yield plane


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Api:
    """A bare client of it."""
    return Api(str(plane.kubeconfig()))


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda setting: "-".join(setting))
def setting(request: pytest.FixtureRequest, api: Api) -> Setting:
    """In force."""
    chosen: Setting = request.param
    put_in_force(api, chosen)
    return chosen


@pytest.fixture(scope="module")
def shipped(api: Api) -> Api:
    """The same API server, with the policies by the chart's own values."""
    put_in_force(api, SHIPPED)
    return api


@pytest.mark.parametrize("judged", JUDGED, ids=lambda judged: judged.id)
def test_the_chart_judges_as_the_table(setting: Setting, api: Api, judged: Judged) -> None:
    ids = sorted({found.rule.id for found in findings(judged.body)})
    wanted = setting.expected(ids)
    answer = create(api, judged.body)
    if judged.refused:
        assert answer.status == 422
        assert not verdict(answer).refused  # the API server itself
    else:
        assert verdict(answer) == wanted, answer.message
        assert answer.status == (422 if wanted.refused else 201), answer.message


def test_a_task_is_judged_too(setting: Setting, api: Api) -> None:
    assert verdict(create(api, BAD_TASK)) == setting.expected(["RPR104"])
    assert untouched(create(api, task({"command": ["true"]})))


def test_the_api_server_finds_the_expressions_sound(shipped: Api) -> None:
    """It checks types against the schemas of all kinds that are matched, and has estimated what they cost."""
    for name in POLICIES:
        path = f"{ADMISSION}/validatingadmissionpolicies/{name}"

        def status(path: str = path) -> Body:
            return dict(shipped.request("GET", path).ok().get("status", {}))

        eventually("types are checked", PATIENCE, lambda: "typeChecking" in status())
        assert status()["typeChecking"] == {}


def test_a_refusal_is_the_plans_text_and_says_what_to_do(shipped: Api) -> None:
    answer = create(shipped, BAD)
    assert answer.status == 422
    assert answer.message.endswith(
        "ValidatingAdmissionPolicy 'reaper-rules-refused' with binding 'reaper-rules-refused' denied request: RPR001: "
        "Reaper runtime does not use container images. Set 'image: placeholder' or leave it empty. "
        f"The binary at '{BAD['spec']['containers'][0]['command'][0]}' must exist on the host."
    )
    mended = copy.deepcopy(BAD)
    mended["spec"]["containers"][0]["image"] = "placeholder"
    assert not verdict(create(shipped, mended)).refused


def ordinary(kind: str, runtime: str | None = None) -> Body:
    """A Pod or workload of another runtime that breaks every rule there is for ours."""
    body = next(copy.deepcopy(judged.body) for judged in JUDGED if judged.kind == kind and judged.rules)
    place = template(body)
    place["metadata"]["annotations"] = {"reaper.runtime/nonsense": "x"}
    place["spec"] |= {"hostUsers": False, "containers": [{"name": "main", "image": "busybox", "args": ["a b"]}]}
    place["spec"].pop("runtimeClassName")
    if runtime is not None:
        place["spec"]["runtimeClassName"] = runtime
    return body


@pytest.mark.parametrize("namespace", ["judged", "broken", "kube-system"])
@pytest.mark.parametrize("kind", WORKLOADS)
def test_what_is_not_ours_is_as_ever(shipped: Api, kind: str, namespace: str) -> None:
    """With no operator, which no policy needs."""
    eventually("Pods can be made there", PATIENCE, lambda: create(shipped, ordinary("Pod"), namespace).status == 201)
    assert untouched(create(shipped, ordinary(kind), namespace))


def test_pods_of_the_system_and_of_other_runtimes_are_as_ever(shipped: Api) -> None:
    critical = ordinary("Pod")
    critical["spec"] |= {"priorityClassName": "system-node-critical", "hostNetwork": True}
    critical["spec"].pop("hostUsers")
    assert untouched(create(shipped, critical, "kube-system"))
    runtime_class = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}}
    install(shipped, {**runtime_class, "handler": "runsc"})
    other = ordinary("Pod", "gvisor")
    eventually("the RuntimeClass is seen", PATIENCE, lambda: create(shipped, other).status == 201)
    assert untouched(create(shipped, other))


def test_a_namespace_with_a_broken_annotation_is_judged_as_others(shipped: Api) -> None:
    assert verdict(create(shipped, BAD, "broken")) == verdict(create(shipped, BAD))


def test_a_namespace_can_do_without(shipped: Api) -> None:
    for judged in JUDGED:
        if not judged.refused:
            assert verdict(create(shipped, judged.body, "spared")) == Verdict(refused=False, warned=[]), judged.id
    assert untouched(create(shipped, BAD_TASK, "spared"))


def test_what_was_there_goes_on(shipped: Api) -> None:
    """As after an upgrade to a chart with these policies: a Deployment that would be refused now."""
    make_namespace(shipped, "upgraded")
    own: Body = {"metadata": {"labels": {v.LABEL_RULES: v.NO_RULES}}}
    shipped.request("PATCH", "/api/v1/namespaces/upgraded", own, content_type=MERGE).ok()
    body = next(copy.deepcopy(judged.body) for judged in JUDGED if judged.kind == "Deployment")
    body["spec"] |= {"replicas": 0}
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "busybox:1"
    eventually("the label is seen", PATIENCE, lambda: untouched(create(shipped, body, "upgraded")))
    create(shipped, body, "upgraded", dry=False).ok()
    own["metadata"]["labels"][v.LABEL_RULES] = None
    shipped.request("PATCH", "/api/v1/namespaces/upgraded", own, content_type=MERGE).ok()
    eventually("that is seen", PATIENCE, lambda: verdict(create(shipped, body, "upgraded")).refused)

    path = f"/apis/apps/v1/namespaces/upgraded/deployments/{body['metadata']['name']}"
    scaled = shipped.request("PATCH", path, {"spec": {"replicas": 1}}, content_type=MERGE)
    assert (scaled.status, scaled.warnings) == (200, ())
    pods = "/api/v1/namespaces/upgraded/pods"
    eventually("it has its Pod", PATIENCE, lambda: shipped.request("GET", pods).ok()["items"])
    worse = {"spec": {"template": {"spec": {"hostUsers": False}}}}
    answer = shipped.request("PATCH", path, worse, content_type=MERGE)
    assert answer.status == 422
    assert "RPR001: Reaper runtime does not use container images" in answer.message


TASKS: list[Body] = [
    task_body(),
    task_body(dnsMode="kubernetes", overlay={"name": "tools"}, stdout=False, terminal=False),
    task_body(command=["two words"], user={"uid": 7, "gid": 7, "supplementalGroups": [8]}, workingDir="/srv"),
    task_body(nodeName="here", serviceAccountName="default", volumes=[
        {"name": "data", "mountPath": "/data", "emptyDir": {}},
    ]),
]  # fmt: skip


@pytest.mark.parametrize("body", TASKS, ids=lambda body: "-".join(body["spec"]["command"]))
def test_the_operators_pods_pass_without_a_word(shipped: Api, body: Body) -> None:
    manifest = pod_for(ReaperTask.parse(body))
    manifest["metadata"]["namespace"] = "judged"
    answer = create(shipped, manifest, user=OPERATOR)
    assert untouched(answer), f"{answer.message}{answer.warnings}"


def test_only_the_chart_s_own_operator_and_controllers_are_not_asked(shipped: Api) -> None:
    assert untouched(create(shipped, BAD, user="system:serviceaccount:kube-system:replicaset-controller"))
    assert verdict(create(shipped, BAD, user="system:serviceaccount:judged:reaper-operator")).refused
    owned = copy.deepcopy(BAD)
    owned["metadata"]["ownerReferences"] = pod_for(ReaperTask.parse(task_body()))["metadata"]["ownerReferences"]
    assert verdict(create(shipped, owned)).refused


def test_what_is_large_is_judged_too(shipped: Api) -> None:
    """No expression runs out of what it may cost, which would let the Pod pass."""
    large = copy.deepcopy(BAD)
    env = [{"name": f"NAME_{number}", "value": "x" * 300} for number in range(100)]
    (container,) = large["spec"]["containers"]
    large["spec"]["containers"] = [{**container, "name": f"c{number}", "env": env} for number in range(20)]
    large["metadata"]["annotations"] = {f"a{number}": "" for number in range(30000)}
    assert verdict(create(shipped, large)) == SHIPPED.expected(sorted({found.rule.id for found in findings(large)}))


@pytest.fixture(scope="module")
def defaulted(api: Api) -> Api:
    """With the chart's defaults for Pods, which come first."""
    objects = render(has=[MUTATING])
    name = "reaper-defaults"
    plural = {"MutatingAdmissionPolicy": "mutatingadmissionpolicies"}
    for kind in ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"):
        api.apply(f"{ADMISSION}/{plural.get(kind, 'mutatingadmissionpolicybindings')}/{name}", objects[kind, name])
    put_in_force(api, SHIPPED, defaults=True)
    eventually("the defaults are in force", PATIENCE, lambda: create(api, bare()).status == 201)
    return api


def bare(kind: str = "Pod", **container: Any) -> Body:
    """As little as a person writes where there are defaults: no image, no policy, an annotation for hostNetwork."""
    body = next(copy.deepcopy(judged.body) for judged in JUDGED if judged.kind == kind)
    place = template(body)
    probe = {"httpGet": {"path": "/", "port": 8080}}
    place["metadata"]["annotations"] = {"reaper.runtime/network": "host"}
    (first,) = place["spec"]["containers"]
    place["spec"] = {
        name: value for name, value in place["spec"].items() if name in ("runtimeClassName", "restartPolicy")
    }
    place["spec"]["containers"] = [
        {"name": first["name"], "command": ["/bin/true"], "readinessProbe": probe, **container}
    ]
    return body


@pytest.mark.parametrize("container", [{}, {"image": ""}, {"image": "placeholder"}], ids=["none", "empty", "named"])
def test_where_there_are_defaults_a_pod_that_leaves_them_open_is_good(defaulted: Api, container: Body) -> None:
    answer = create(defaulted, bare(**container))
    assert untouched(answer), f"{answer.message}{answer.warnings}"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_and_so_is_a_template(defaulted: Api, kind: str) -> None:
    answer = create(defaulted, bare(kind, image="placeholder"))
    assert untouched(answer), f"{answer.message}{answer.warnings}"
    bad = verdict(create(defaulted, bare(kind, image="busybox")))
    assert bad == Verdict(refused=True, warned=["RPR005"])


def test_each_setting_is_what_is_rendered() -> None:
    for setting in SETTINGS:
        objects = render(*setting.words())
        found = {
            name: item["spec"]["validationActions"]
            for (kind, name), item in objects.items()
            if kind == "ValidatingAdmissionPolicyBinding" and "-rules-" in name
        }
        wanted = dict(zip(POLICIES, (setting.refusals, setting.warnings, setting.warnings), strict=True))
        actions = {"Warn": ["Warn", "Audit"], "Audit": ["Audit"], "Deny": ["Deny"]}
        assert found == {name: actions[action] for name, action in wanted.items() if action != "None"}


def test_the_refusal_that_the_page_shows_is_the_one_that_people_see(shipped: Api, plane: ControlPlane) -> None:
    (shown,) = re.findall(r"^\$ kubectl create -f pod.yaml\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL)
    body = {**BAD, "metadata": {"name": "my-task"}}
    assert verdict(create(shipped, body)).refused
    words = ["--kubeconfig", str(plane.kubeconfig()), "--namespace", "judged", "create", "-f", "-"]
    done = subprocess.run(
        [program("kubectl"), *words], input=json.dumps(body), capture_output=True, text=True, check=False
    )
    refusal = done.stderr[done.stderr.index("The pods") :]
    assert " ".join(refusal.split()) == " ".join(shown.split())


def test_the_page_names_every_policy_and_value() -> None:
    rendered = {name for kind, name in render("admission.plainPods=warn") if kind == "ValidatingAdmissionPolicy"}
    families = {name if not name.startswith("reaper-access-") else "reaper-access-" for name in rendered}
    for name in families:
        assert f"`{name}" in PAGE, name
    for value in ("refusals", "warnings"):
        assert f"admission.rules.{value}" in PAGE
    assert f"{v.LABEL_RULES}={v.NO_RULES}" in PAGE
