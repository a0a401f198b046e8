from __future__ import annotations

import dataclasses

from cluster.host.machine import CAP_SYS_RESOURCE, Machine, bounding_set, read_machine


def test_the_bounding_set_is_read_by_number() -> None:
    assert bounding_set("CapEff:\tff\nCapBnd:\t0000000000000005\n") == {0, 2}
    assert bounding_set("Name: x\n") == frozenset()


def test_what_is_lacking(machine: Machine) -> None:
    assert machine.may_lower_oom_scores
    assert not machine.lacks_capabilities
    poorer = dataclasses.replace(machine, capabilities=machine.capabilities - {CAP_SYS_RESOURCE})
    assert not poorer.may_lower_oom_scores
    assert poorer.lacks_capabilities


def test_only_others_than_root_need_sudo_and_it_never_asks(machine: Machine) -> None:
    assert machine.as_root == ()
    assert dataclasses.replace(machine, root=False).as_root == ("sudo", "--non-interactive")


def test_this_machine_can_be_read() -> None:
    assert read_machine().architecture
