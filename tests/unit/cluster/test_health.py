from __future__ import annotations

import base64
import json
import struct
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.host.commands import Result
from cluster.kube import dns
from cluster.kube.health import Kubectl, judge, problem, unready
from cluster.kube.kind import Node

if TYPE_CHECKING:
    from tests.fakes.programs import FakePrograms

API = "10.96.0.1"
NODE = Node("reaper-worker", "worker", running=True, image="x")


def answer(number: int, *addresses: str) -> bytes:
    question = dns.query("kubernetes.default", number)
    records = b"".join(
        b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + IPv4Address(address).packed for address in addresses
    )
    return struct.pack(">6H", number, 0x8180, 1, len(addresses), 0, 0) + question[12:] + records


def probe(*replies: bytes) -> str:
    return "\n".join(["ok", *(base64.b64encode(reply).decode() for reply in replies)]) + "\n"


def test_a_question_is_written_as_dns_wants_it() -> None:
    assert dns.query("a.bc", 7) == b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02bc\x00\x00\x01\x00\x01"


def test_an_answer_is_read_through_pointers() -> None:
    assert dns.addresses(answer(7, "10.96.0.1", "10.96.0.2"), 7) == ["10.96.0.1", "10.96.0.2"]


@pytest.mark.parametrize("damaged", [b"", b"\x00\x07", answer(7, API)[:-3], answer(8, API), answer(7, API)[:14]])
def test_a_damaged_answer_has_no_addresses(damaged: bytes) -> None:
    assert dns.addresses(damaged, 7) == []


def test_nodes_must_all_have_joined_and_be_ready() -> None:
    def node(name: str, ready: str) -> dict[str, object]:
        return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}

    assert unready({"items": [node("a", "True")]}, expected=2) == "1 of 2 nodes have joined"
    assert unready({"items": [node("a", "True"), node("b", "Unknown")]}, expected=2) == "1 of 2 nodes are Ready"
    assert unready({"items": [node("a", "True"), node("b", "True")]}, expected=2) is None


def test_a_probe_is_good_only_when_every_question_is_answered() -> None:
    good = answer(7, API)
    assert judge("n", Result(0, probe(good, good, good, good)), API, 7) is None
    broken = "on n the cluster's DNS does not answer"
    assert judge("n", Result(0, probe(good, good, good)), API, 7) == broken
    assert judge("n", Result(0, probe(good, good, good, answer(7, "1.2.3.4"))), API, 7) == broken
    assert judge("n", Result(0, probe(good, good, good, b"")), API, 7) == broken
    assert judge("n", Result(1, "", "curl: timed out"), API, 7) == (
        f"on n the API's service address {API} does not answer (kube-proxy)"
    )


def test_what_is_wrong_is_found_from_the_outside_in(programs: FakePrograms) -> None:
    kubectl = Kubectl(programs, Path("kubectl"), Path("config"))
    stopped = Node("reaper-worker2", "worker", running=False, image="x")
    assert problem(kubectl, [NODE, stopped]) == "reaper-worker2 is not running"
    assert problem(kubectl, [NODE]) == "the API server does not answer"
    get = "kubectl --kubeconfig config --request-timeout=8s get"
    ready = {"metadata": {"name": "n"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    programs.answers[f"{get} nodes"] = Result(0, json.dumps({"items": [ready]}))
    assert problem(kubectl, [NODE]) == "the services `kubernetes` and `kube-dns` are not there"
    services = [
        {"metadata": {"namespace": namespace, "name": name}, "spec": {"clusterIP": address}}
        for namespace, name, address in (
            ("default", "kubernetes", API),
            ("kube-system", "kube-dns", "10.96.0.10"),
            ("mine", "kubernetes", "10.96.0.66"),
        )
    ]
    programs.answers[f"{get} services"] = Result(0, json.dumps({"items": services}))
    assert problem(kubectl, [NODE]) == f"on reaper-worker the API's service address {API} does not answer (kube-proxy)"
    programs.answers["docker exec reaper-worker bash"] = Result(0, probe(*[answer(0x5EA9, API)] * 4))
    assert problem(kubectl, [NODE]) is None
