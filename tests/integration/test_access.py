"""Who may run host processes: every way around the chart's policies that we know of, and what stays as it was."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from reaper_api.task import ReaperTask
from reaper_api.translate import pod_for
from tests.integration.planes import until_pods_may_be_in
from tests.integration.sentences import KEPT, may_not, shut, wrong_id
from tests.integration.tenancy import (
    Object,
    Tenancy,
    container,
    ordinary,
    pod,
    revision,
    runtime_class,
    task,
    until,
    workload,
)
from tests.integration.ways_around import ATTEMPTS, KINDS, MAKERS, Attempt

if TYPE_CHECKING:
    from tests.integration.api import Answer
    from tests.integration.tenancy import Done, Person

pytestmark = pytest.mark.timeout(180)

DRY = ("--dry-run=server",)


@pytest.fixture(scope="module", autouse=True)
def furnished(tenancy: Tenancy) -> None:
    """What olga, who may, has made already: jane tries to make use of it."""
    _furnish(tenancy)


def _furnish(tenancy: Tenancy) -> None:
    olga, jane = tenancy.people["olga"], tenancy.people["jane"]
    metadata = {"name": "node-1", "labels": {"reaper.io/runtime": "ready"}}
    tenancy.apply({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    running = pod("running")
    running["metadata"]["annotations"] = {"reaper.runtime/overlay-name": "tools"}
    olga.create("open", running, task("ticker"), task("asleep", suspend=True)).ok()
    olga.create("open", *(workload(kind, f"own-{kind.lower()}") for kind in KINDS)).ok()
    jane.create("open", ordinary("innocent"), ordinary("replaced"), workload("Deployment", "web", _IMAGE)).ok()
    jane.create("shut", ordinary("innocent")).ok()
    pod_of_task(tenancy, "open", "ticker").ok()
    for kind in MAKERS:
        until(f"{kind} has its Pod", partial(pods_of, tenancy, f"own-{kind.lower()}"))


def pod_of_task(tenancy: Tenancy, namespace: str, name: str) -> Answer:
    """The Pod that the operator would make of a task, made as the operator."""
    body = tenancy.api.request("GET", f"/apis/reaper.io/v1alpha1/namespaces/{namespace}/reapertasks/{name}").ok()
    return tenancy.as_operator("POST", f"/api/v1/namespaces/{namespace}/pods", pod_for(ReaperTask.parse(body)))


def pods_of(tenancy: Tenancy, owner: str, namespace: str = "open") -> list[Object]:
    """The Pods whose template is that of a workload."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    return list(tenancy.api.request("GET", path, labelSelector=f"app={owner}").ok()["items"])


_IMAGE: Object = {"containers": [{"name": "main", "image": "busybox:1"}]}


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.id)
def test_no_way_around(tenancy: Tenancy, attempt: Attempt) -> None:
    who = {**tenancy.people, "admin": tenancy.admin}[attempt.user]
    before = everything(tenancy)

    done = who.kubectl(*attempt.words.split(" "), stdin=attempt.stdin)

    name = (
        "reaper-ephemeralcontainers" if attempt.policy == "ephemeralcontainers" else f"reaper-access-{attempt.policy}"
    )
    assert done.refusal == (name, attempt.sentence)
    assert everything(tenancy) == before


def test_there_are_enough_and_each_has_a_name() -> None:
    assert len({attempt.id for attempt in ATTEMPTS}) == len(ATTEMPTS) >= 60


def everything(tenancy: Tenancy) -> set[str]:
    """What is a host process or could make one, whoever is to have made it; and which namespaces are open."""
    found = set()
    for path in (
        "/api/v1/pods", "/api/v1/replicationcontrollers", "/apis/reaper.io/v1alpha1/reapertasks",
        *(f"/apis/apps/v1/{kind}" for kind in ("deployments", "replicasets", "statefulsets", "daemonsets")),
        "/apis/batch/v1/jobs", "/apis/batch/v1/cronjobs", "/apis/node.k8s.io/v1/runtimeclasses",
    ):  # fmt: skip
        for item in tenancy.api.request("GET", path).ok()["items"]:
            spec = json.dumps(item.get("spec"), sort_keys=True)
            if "reaper-v2" in spec or "reapertasks" in path or "runtimeclasses" in path:
                metadata = item["metadata"]
                annotations = json.dumps(metadata.get("annotations"), sort_keys=True)
                found.add(f"{path} {metadata.get('namespace')} {metadata['name']} {spec} {annotations}")
    for item in tenancy.api.request("GET", "/api/v1/namespaces").ok()["items"]:
        found.add(f"{item['metadata']['name']} {item['metadata'].get('labels')} {item['metadata'].get('annotations')}")
    return found


def test_who_may_grant_it(tenancy: Tenancy) -> None:
    """RBAC itself: nobody gives what they have not got, and nobody takes on another's name."""
    nora, jane = tenancy.people["nora"], tenancy.people["jane"]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "mine"},
        "rules": [{"apiGroups": ["reaper.io"], "resources": ["hostprocesses"], "verbs": ["use"]}],
    }
    assert "attempting to grant RBAC permissions not currently held" in nora.create("open", role).err
    for grant in ("reaper-host-processes", "cluster-admin"):
        done = nora.kubectl(*f"create rolebinding mine -n open --clusterrole {grant} --user nora".split())
        assert "attempting to grant RBAC permissions not currently held" in done.err
    as_olga = jane.create("open", pod("p"), words=("--as", "olga", "--validate=false"))
    assert 'User "jane" cannot impersonate' in as_olga.err
    assert 'cannot create resource "pods"' in tenancy.people["vera"].create("open", pod("p")).err


def test_the_runtime_of_a_pod_is_fixed(tenancy: Tenancy) -> None:
    """By Kubernetes."""
    patch = '{"spec":{"runtimeClassName":"reaper-v2"}}'
    done = tenancy.people["jane"].kubectl("patch", "pod", "innocent", "-n", "open", "-p", patch)
    assert "pod updates may not change fields other than" in done.err


def test_a_dry_run_says_the_same(tenancy: Tenancy) -> None:
    done = tenancy.people["jane"].create("open", task("t"), words=DRY)
    assert done.refusal == ("reaper-access-tasks", may_not("jane"))


def test_a_service_account_is_named_as_kubectl_wants_it(tenancy: Tenancy) -> None:
    """And it is the account that is asked, not who wrote what it makes: so with controllers of others."""
    tenancy.admin.kubectl("create", "serviceaccount", "ci", "-n", "open").ok()
    tenancy.admin.kubectl(
        *["create", "rolebinding", "ci", "-n", "open", "--clusterrole", "edit", "--serviceaccount", "open:ci"]
    ).ok()
    account = ("--as", "system:serviceaccount:open:ci")

    sentence = _sentence(tenancy, "by-ci", account)

    assert sentence.startswith("system:serviceaccount:open:ci may not run host processes in namespace open: ")
    _obey(tenancy, sentence)
    until("it may", lambda: tenancy.admin.create("open", pod("by-ci"), words=account).code == 0)


def test_a_name_that_an_administrator_would_paste_into_a_shell(tenancy: Tenancy) -> None:
    name = "https://id.example.com#o'neil; $(exit 3) %41"
    tenancy.admin.kubectl("create", "rolebinding", "odd", "-n", "open", "--clusterrole", "edit", "--user", name).ok()

    sentence = _sentence(tenancy, "by-odd", ("--as", name))

    _obey(tenancy, sentence)
    until("it may", lambda: tenancy.admin.create("open", pod("by-odd"), words=("--as", name)).code == 0)


def _sentence(tenancy: Tenancy, name: str, words: tuple[str, ...]) -> str:
    """With which a policy refuses a Pod to somebody who may make Pods as soon as RBAC has heard of it."""

    def refused() -> Done | None:
        done = tenancy.admin.create("open", pod(name), words=words)
        return None if "cannot create resource" in done.err else done

    _, sentence = until("RBAC has heard of it", refused).refusal
    return sentence


def _says(who: Person, sentence: str) -> bool:
    return sentence in who.create("new", task("first"), words=DRY).err


def _obey(tenancy: Tenancy, sentence: str) -> None:
    """Do what a refusal says."""
    tenancy.admin.shell(sentence[sentence.index("kubectl ") :]).ok()


def test_a_refusal_says_how_to_go_on(tenancy: Tenancy) -> None:
    """From nothing to a task, by what is said each time."""
    jane = tenancy.people["jane"]
    tenancy.admin.kubectl("create", "namespace", "new").ok()
    tenancy.admin.kubectl(
        *["create", "rolebinding", "jane", "-n", "new", "--clusterrole", "edit", "--user", "jane"]
    ).ok()

    for expected in (shut("new"), may_not("jane", "new")):
        until(f"it is refused: {expected}", partial(_says, jane, expected))
        _obey(tenancy, expected)
    until("it is allowed", lambda: jane.create("new", task("first"), words=DRY).code == 0)

    jane.create("new", task("first")).ok()
    pod_of_task(tenancy, "new", "first").ok()


@pytest.mark.parametrize("kind", MAKERS)
def test_what_was_checked_gets_its_pods(tenancy: Tenancy, kind: str) -> None:
    """By the controllers of Kubernetes, each with its own account."""
    made = pods_of(tenancy, f"own-{kind.lower()}")
    assert made
    assert {each["spec"]["runtimeClassName"] for each in made} == {"reaper-v2"}


def test_a_cron_job_gets_its_jobs(tenancy: Tenancy) -> None:
    words = "create job nightly --from=cronjob/own-cronjob -n open --dry-run=client -o json"
    job = json.loads(tenancy.people["olga"].kubectl(*words.split()).ok())
    account = ("--as", "system:serviceaccount:kube-system:cronjob-controller")

    tenancy.admin.create("open", job, words=account).ok()

    path = "/api/v1/namespaces/open/pods"
    until("it has a Pod", lambda: tenancy.api.request("GET", path, labelSelector="job-name=nightly").ok()["items"])


def test_a_namespace_that_is_closed_gets_no_more_pods_of_what_is_there(tenancy: Tenancy) -> None:
    """Nor of tasks: namespace and users are asked of controllers and operator too."""
    admin = tenancy.admin
    labels = {"reaper.io/allow": "true"}
    tenancy.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later", "labels": labels}})
    until_pods_may_be_in(tenancy.api, "later")
    objects = (workload("Deployment", "there", replicas=0), task("there"), workload("ReplicaSet", "root", replicas=0))
    until("the label is seen", lambda: admin.create("later", objects[0], words=DRY).code == 0)
    admin.create("later", *objects).ok()

    admin.kubectl("annotate", "namespace", "later", "reaper.io/uids=7").ok()
    refused = wrong_id("uid", 0, "securityContext.runAsUser of the Pod or of every container", "7", "later")
    until("that is seen", lambda: refused in pod_of_task(tenancy, "later", "there").message)
    admin.kubectl("scale", "replicaset", "root", "-n", "later", "--replicas", "1").ok()
    _event_says(tenancy, "later", refused)

    admin.kubectl("label", "namespace", "later", "reaper.io/allow=false", "--overwrite").ok()
    until("that is seen", lambda: shut("later") in pod_of_task(tenancy, "later", "there").message)
    admin.kubectl("scale", "deployment", "there", "-n", "later", "--replicas", "1").ok()
    _event_says(tenancy, "later", shut("later"))
    assert pods_of(tenancy, "there", "later") == []


def _event_says(tenancy: Tenancy, namespace: str, sentence: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/events"
    until(
        f"an Event says: {sentence}",
        lambda: any(sentence in e["message"] for e in tenancy.api.request("GET", path).ok()["items"]),
    )


# Jane's, who may edit: what she may do with host processes of others, and with what is no host process.
JANE = [
    "scale deployment own-deployment -n open --replicas 2",
    "label deployment own-deployment -n open mine=yes",
    "annotate pod running -n open mine=yes",
    "label pod running -n open mine=yes",
    'patch reapertask ticker -n open --type merge -p {"spec":{"suspend":true}}',
    'patch reapertask ticker -n open --type merge -p {"spec":{"activeDeadlineSeconds":9}}',
    "annotate reapertask ticker -n open reaper.runtime/network=pod",
    "get reapertasks -n open",
    "delete job own-job -n open --wait=false",
    "set image deployment/web -n open main=busybox:2",
    "rollout restart deployment/web -n open",
    "set image pod/innocent -n open main=busybox:2",
    "annotate pod innocent -n open reaper.runtime/network=pod",
    "debug innocent -n open --image busybox -- sh",
    "run ordinary --image busybox:1 -n open",
    "create deployment ordinary --image busybox:1 -n plain",
    "create job ordinary --image busybox:1 -n broken",
    "run ordinary --image busybox:1 -n broken",
    "create cronjob ordinary --image busybox:1 --schedule=@daily -n shut",
    "delete reapertask ticker -n open --wait=false",
]


def test_what_editing_still_is(tenancy: Tenancy) -> None:
    for words in JANE:
        done = tenancy.people["jane"].kubectl(*words.split(" "))
        assert done.code == 0, f"{words}: {done.err}"


def test_exec_is_free_where_no_host_process_can_be(tenancy: Tenancy) -> None:
    jane, olga = tenancy.people["jane"], tenancy.people["olga"]
    jane.create("plain", ordinary("innocent")).ok()
    passed = "does not have a host assigned"  # what comes after admission, where there are no nodes
    assert passed in jane.kubectl("exec", "-n", "plain", "innocent", "--", "id").err
    assert passed in olga.kubectl("exec", "-n", "open", "running", "--", "id").err


def test_what_kubelet_reports_is_never_asked_about(tenancy: Tenancy) -> None:
    status = '{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}'
    words = ("patch", "pod", "running", "-n", "open", "--subresource", "status", "-p", status)
    tenancy.admin.kubectl(*words).ok()


def test_what_is_not_ours_is_as_ever(tenancy: Tenancy) -> None:
    nora, carl = tenancy.people["nora"], tenancy.people["carl"]
    for words in ("label namespace plain team=a", "annotate namespace broken note=x", "label namespace open team=a"):
        nora.kubectl(*words.split()).ok()
    carl.kubectl("create", "-f", "-", stdin=runtime_class("gvisor", "runsc")).ok()
    carl.kubectl("label", "runtimeclass", "reaper-v2", "mine=yes").ok()
    for number, data in enumerate((None, {"spec": "text"}, {"spec": {"template": [1]}}, {"spec": {"template": None}})):
        body = {**revision(f"odd-{number}"), "data": data}
        answer = tenancy.api.request("POST", "/apis/apps/v1/namespaces/open/controllerrevisions", body)
        assert "ValidatingAdmissionPolicy" not in answer.message
    other = ordinary("other-runtime", runtimeClassName="gvisor")
    tenancy.people["jane"].create("plain", other).ok()


def test_what_is_large_and_not_ours_is_as_ever(tenancy: Tenancy) -> None:
    """No expression runs out of what it may cost."""
    jane = tenancy.people["jane"]
    env = [{"name": f"NAME_{number}", "value": "x" * 600} for number in range(1000)]
    spec: Object = {"containers": [{"name": "main", "image": "busybox:1", "env": env}]}
    large = workload("Deployment", "large", spec, replicas=0)
    jane.create("plain", large).ok()
    changed = '{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"busybox:2"}]}}}}'
    jane.kubectl("patch", "deployment", "large", "-n", "plain", "-p", changed).ok()
    annotated = ordinary("large")
    annotated["metadata"]["annotations"] = {f"a{number}": "" for number in range(40000)}
    jane.create("plain", annotated).ok()
    jane.kubectl("annotate", "pod", "large", "-n", "plain", "one=more").ok()


def test_what_is_large_and_ours_is_judged(tenancy: Tenancy) -> None:
    env = [{"name": f"NAME_{number}", "value": "x" * 600} for number in range(1000)]
    large = pod("large", containers=[container(env=env, securityContext={"runAsUser": 1000, "runAsGroup": 1000})])
    large["metadata"]["annotations"] = {f"a{number}": "" for number in range(20000)}
    tenancy.people["olga"].create("narrow", large).ok()
    words = ("annotate", "pod", "large", "-n", "narrow", "reaper.runtime/cgroup=pod")
    assert tenancy.people["olga"].kubectl(*words).refusal == ("reaper-access-changes", KEPT.replace("running", "large"))
    many = task("many", user={"uid": 1000, "gid": 1000, "supplementalGroups": list(range(1000, 1064))})
    tenancy.people["olga"].create("narrow", many).ok()


def test_who_may_run_them_within_the_limits(tenancy: Tenancy) -> None:
    olga = tenancy.people["olga"]
    own = {"runAsUser": 1999, "runAsGroup": 1000, "capabilities": {"drop": ["ALL"]}}
    of_pod = {"runAsUser": 5000, "runAsGroup": 100}
    good = pod("good", securityContext={**of_pod, "supplementalGroups": [1000], "fsGroup": 1999})
    good["spec"]["containers"].append(container(securityContext=own) | {"name": "second"})
    workloads = [workload(kind, "good", {**pod("")["spec"], "securityContext": of_pod}) for kind in KINDS]
    work = task("good-task", user={"uid": 1000, "gid": 1999, "supplementalGroups": [100]})
    for body in (good, work, *workloads):
        olga.create("narrow", body).ok()
    made = [pod_of_task(tenancy, "narrow", "good-task").ok()]
    made.append(tenancy.api.request("GET", "/api/v1/namespaces/narrow/pods/good").ok())
    made += pods_of(tenancy, "good", "narrow")
    for each in made:  # no set-user-ID program makes them root
        assert not any(c["securityContext"]["allowPrivilegeEscalation"] for c in each["spec"]["containers"])


def test_root_stays_root_where_it_may_be(tenancy: Tenancy) -> None:
    (made,) = pods_of(tenancy, "own-replicaset")
    assert "allowPrivilegeEscalation" not in made["spec"]["containers"][0].get("securityContext", {})


def test_a_namespace_without_gids_has_those_of_its_users(tenancy: Tenancy) -> None:
    annotations = {"reaper.io/uids": "1000-1999"}
    metadata = {"name": "users", "labels": {"reaper.io/allow": "true"}, "annotations": annotations}
    tenancy.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    body = task("t", user={"uid": 1000, "gid": 0})
    field = "spec.user.gid and spec.user.supplementalGroups"

    until("it is seen", lambda: shut("users") not in tenancy.admin.create("users", body).err)

    assert tenancy.admin.create("users", body).refusal == (
        "reaper-access-tasks",
        wrong_id("gid", 0, field, "1000-1999", "users"),
    )


def test_policies_have_no_mistakes_that_the_api_server_can_see(tenancy: Tenancy) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    for name in [policy["metadata"]["name"] for policy in tenancy.api.request("GET", path).ok()["items"]]:
        until(f"{name} was looked at", partial(_findings, tenancy, f"{path}/{name}"))
        assert _findings(tenancy, f"{path}/{name}") == [{}], name


def _findings(tenancy: Tenancy, path: str) -> list[Object]:
    """None before the API server has looked."""
    status = tenancy.api.request("GET", path).ok().get("status", {})
    return [status["typeChecking"]] if "typeChecking" in status else []
