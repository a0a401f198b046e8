"""certificates.py: one look after the other, with replicas that look at the same time."""

import base64
import ssl
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reaper_operator.errors import Conflict
from reaper_operator.webhooks import authority
from reaper_operator.webhooks.certificates import Certificates, NoCertificate, Source
from reaper_operator.webhooks.registration import Stored, trusts
from reaper_operator.webhooks.rotation import Kept, Terms

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SETTLE = 30.0
TERMS = Terms(authority=timedelta(days=9), certificate=timedelta(days=3))
Body = dict[str, Any]


class World:
    """Time, a Secret and two configurations."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.kept, self.version = Kept(), 0
        self.configurations: dict[str, Body] = {
            path: {"metadata": {"resourceVersion": "0"}, "webhooks": [{"name": "a", "clientConfig": {}}]}
            for path in ("validating", "mutating")
        }

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def trusted(self) -> bool:
        return all(trusts(each, self.kept.bundle) for each in self.configurations.values())


class FakeRegistration:
    """What a replica reads and writes of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.read_before = list[Stored]()  # a Secret that is changed while the answer is on its way
        self.meanwhile = list[Callable[[], None]]()  # happens when the configurations were read

    def configurations(self) -> list[tuple[str, Body]]:
        found = deepcopy(list(self.world.configurations.items()))
        while self.meanwhile:
            self.meanwhile.pop()()
        return found

    def stored(self) -> Stored:
        return self.read_before.pop() if self.read_before else Stored(self.world.kept, str(self.world.version))

    def store(self, kept: Kept, version: str) -> None:
        if version != str(self.world.version):
            raise Conflict(409, "somebody else wrote first")
        self.world.kept, self.world.version = kept, self.world.version + 1

    def trust(self, path: str, configuration: Body, bundle: bytes) -> None:
        found = self.world.configurations[path]
        if configuration["metadata"] != found["metadata"]:
            raise Conflict(409, "somebody else wrote first")
        found["metadata"] = {"resourceVersion": str(int(found["metadata"]["resourceVersion"]) + 1)}
        found["webhooks"][0]["clientConfig"] = {"caBundle": base64.b64encode(bundle).decode()}


class FakeDisplay:
    """What a replica shows."""

    def __init__(self) -> None:
        self.shown = list[bytes]()

    def show(self, certificate: bytes, key: bytes) -> None:
        if key == b"broken":
            raise ssl.SSLError("PEM lib")
        self.shown.append(certificate)


class Replica:
    def __init__(self, world: World, *, makes: bool = True, registers: bool = True) -> None:
        source = Source(makes, registers, ("webhooks.svc",), TERMS, timedelta(seconds=SETTLE))
        self.world = world
        self.cluster, self.display = FakeRegistration(world), FakeDisplay()
        self.certificates = Certificates(source, self.cluster, self.display, world.now, world.monotonic)

    def look(self) -> None:
        """Until there is nothing more to do at once."""
        for _ in range(10):
            if not self.certificates.look():
                return
        pytest.fail("it never comes to an end")

    def until_a_new_authority(self) -> Kept:
        """What was kept just before."""
        before = Kept()
        for days in (0, 2.5, 5, 6.5):
            self.world.seconds = timedelta(days=days).total_seconds()
            before = self.world.kept
            self.look()
        return before


@pytest.fixture
def world() -> World:
    return World()


def test_from_nothing_to_a_certificate_that_is_trusted(world: World) -> None:
    replica = Replica(world)
    replica.look()
    assert world.trusted()
    assert replica.display.shown == [world.kept.certificate]
    assert not replica.certificates.look()
    assert replica.display.shown == [world.kept.certificate]


def test_a_new_authority_signs_when_the_configurations_had_it_for_a_while(world: World) -> None:
    replica = Replica(world)
    first = replica.until_a_new_authority()
    assert world.trusted()
    assert world.kept.bundle != first.bundle
    assert replica.display.shown[-1] == first.certificate
    world.seconds += SETTLE - 1
    replica.look()
    assert world.kept.certificate == first.certificate
    world.seconds += 1
    replica.look()
    assert world.kept.certificate != first.certificate
    assert replica.display.shown[-2:] == [first.certificate, world.kept.certificate]


def test_the_wait_begins_anew_when_somebody_has_changed_a_configuration(world: World) -> None:
    replica = Replica(world)
    first = replica.until_a_new_authority()
    world.configurations["mutating"]["webhooks"][0]["clientConfig"] = {}
    world.seconds += SETTLE
    replica.look()
    assert world.trusted()
    assert world.kept.certificate == first.certificate
    world.seconds += SETTLE
    replica.look()
    assert world.kept.certificate != first.certificate


def test_the_second_of_two_replicas_meets_a_conflict_and_takes_what_the_first_made(world: World) -> None:
    first, second = Replica(world), Replica(world)
    second.cluster.read_before = [second.cluster.stored()]
    first.look()
    with pytest.raises(Conflict):
        second.look()
    second.look()
    assert second.display.shown == first.display.shown == [world.kept.certificate]


def test_no_older_bundle_is_put_over_a_newer_one(world: World) -> None:
    first, second = Replica(world), Replica(world)
    first.look()
    old = world.kept
    world.configurations["validating"]["webhooks"][0]["clientConfig"] = {}

    def meanwhile() -> None:
        world.kept = replace(old, authority_key=b"lost")
        first.look()

    second.cluster.read_before = [second.cluster.stored()]
    second.cluster.meanwhile = [meanwhile]
    with pytest.raises(Conflict):
        second.look()
    assert world.kept.bundle != old.bundle
    assert world.trusted()


@pytest.mark.parametrize("registers", [True, False], ids=["secret", "cert-manager"])
def test_a_certificate_of_others_is_shown_when_it_is_known(world: World, *, registers: bool) -> None:
    replica = Replica(world, makes=False, registers=registers)
    with pytest.raises(NoCertificate, match=r"the Secret has no tls\.crt and tls\.key"):
        replica.look()
    root = authority.new_authority(NOW, timedelta(days=9))
    one, two = (authority.sign(root, ["x"], NOW, timedelta(days=3)) for _ in range(2))
    world.kept = Kept(root.certificate, b"", *one)
    replica.look()
    assert replica.display.shown == [one.certificate]
    assert world.trusted() is registers
    world.kept = Kept(root.certificate, b"", *two)
    replica.look()
    assert replica.display.shown == [one.certificate]
    world.seconds += SETTLE
    replica.look()
    assert replica.display.shown == [one.certificate, two.certificate]
    assert world.version == 0  # nothing is written into it


def test_a_broken_certificate_is_said_and_the_one_before_stays(world: World) -> None:
    replica = Replica(world, makes=False)
    world.kept = Kept(b"bundle", b"", b"certificate", b"key")
    replica.look()
    world.kept = Kept(b"bundle", b"", b"certificate", b"broken")
    replica.look()
    world.seconds += SETTLE
    with pytest.raises(NoCertificate, match=r"tls\.crt and tls\.key of the Secret are not taken: .*PEM lib"):
        replica.look()
    assert replica.display.shown == [b"certificate"]
