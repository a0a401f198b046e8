"""Whether a cluster works: asked of the API, and tried on every node, since Ready proves little."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster.kube import dns

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.host.commands import Result, Runner
    from cluster.kube.kind import Node

_ANSWER = 10.0  # seconds for one question
_API_NAME = "kubernetes.default.svc.cluster.local"
# CoreDNS runs twice. A service that spreads badly fails every other time, so it is asked more often than that.
_QUESTIONS = 4

# In the node's own network: bash and curl are in every kind node, a DNS client is not.
_PROBE = """\
set -u
curl --silent --show-error --insecure --max-time 5 https://{api}:443/readyz || exit 1
echo
for _ in $(seq {questions}); do
  exec 3<>/dev/udp/{dns}/53
  printf %s {query} | base64 -d >&3
  timeout 5 dd bs=512 count=1 status=none <&3 | base64 -w0
  echo
  exec 3<&- 3>&-
done
"""


@dataclass(frozen=True)
class Kubectl:
    runner: Runner
    program: Path
    kubeconfig: Path

    def run(self, *arguments: str, stdin: str | None = None, check: bool = True) -> Result:
        command = [
            str(self.program),
            "--kubeconfig",
            str(self.kubeconfig),
            "--request-timeout=8s",
            *arguments,
        ]
        return self.runner.run(command, stdin=stdin, check=check, timeout=_ANSWER)

    def get(self, *arguments: str) -> dict[str, Any] | None:
        answer = self.run("get", *arguments, "--output", "json", check=False)
        if not answer.ok:
            return None
        content: dict[str, Any] = json.loads(answer.out)
        return content


def problem(kubectl: Kubectl, nodes: list[Node]) -> str | None:
    """What is wrong with the cluster, in a few words; None when nothing is."""
    stopped = [node.name for node in nodes if not node.running]
    if stopped:
        return f"{', '.join(stopped)} is not running"
    listed = kubectl.get("nodes")
    if listed is None:
        return "the API server does not answer"
    reason = unready(listed, expected=len(nodes))
    if reason:
        return reason
    addresses = _service_addresses(kubectl)
    if addresses is None:
        return "the services `kubernetes` and `kube-dns` are not there"
    for node in nodes:
        reason = _probe(kubectl.runner, node, *addresses)
        if reason:
            return reason
    return None


def unready(listed: dict[str, Any], expected: int) -> str | None:
    """What a list of nodes shows to be wrong."""
    ready = set()
    for node in listed["items"]:
        conditions = {condition["type"]: condition["status"] for condition in node["status"].get("conditions", ())}
        if conditions.get("Ready") == "True":
            ready.add(node["metadata"]["name"])
    if len(listed["items"]) < expected:
        return f"{len(listed['items'])} of {expected} nodes have joined"
    if len(ready) < expected:
        return f"{len(ready)} of {expected} nodes are Ready"
    return None


def _service_addresses(kubectl: Kubectl) -> tuple[str, str] | None:
    services = kubectl.get("services", "--all-namespaces")
    found = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item["spec"]["clusterIP"]
        for item in (services or {"items": ()})["items"]
    }
    api, dns_server = found.get(("default", "kubernetes")), found.get(("kube-system", "kube-dns"))
    return (api, dns_server) if api and dns_server else None


def _probe(runner: Runner, node: Node, api: str, dns_server: str) -> str | None:
    number = 0x5EA9
    question = base64.b64encode(dns.query(_API_NAME, number)).decode()
    script = _PROBE.format(api=api, dns=dns_server, query=question, questions=_QUESTIONS)
    answer = runner.run(["docker", "exec", node.name, "bash", "-c", script], check=False, timeout=60)
    return judge(node.name, answer, api, number)


def judge(node: str, answer: Result, api: str, number: int) -> str | None:
    """What the probe's output shows to be wrong."""
    lines = answer.out.splitlines()
    if not lines or lines[0] != "ok":
        return f"on {node} the API's service address {api} does not answer (kube-proxy)"
    replies = [dns.addresses(base64.b64decode(line), number) for line in lines[1:] if line]
    if len(replies) < _QUESTIONS or any(reply != [api] for reply in replies):
        return f"on {node} the cluster's DNS does not answer"
    return None
