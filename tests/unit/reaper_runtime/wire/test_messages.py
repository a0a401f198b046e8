"""Each message that we declare by hand, held against Google's protobuf built from containerd's own definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc_tools  # type: ignore[import-untyped]
import pytest
from google.protobuf import (
    any_pb2,
    descriptor,
    descriptor_pb2,
    descriptor_pool,
    empty_pb2,
    message_factory,
    timestamp_pb2,
)
from grpc_tools import protoc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reaper_runtime.wire import messages, metrics, starting
from reaper_runtime.wire.protobuf import BOOL, BYTES, INT, STRING, UINT, Field, Message, field, repeated

PROTOS = Path(__file__).parent / "protos"
GOOGLE = Path(grpc_tools.__file__).parent / "_proto"
DECLARED = {
    name: kind
    for name, kind in (vars(messages) | vars(metrics) | vars(starting)).items()
    if isinstance(kind, type) and issubclass(kind, Message) and kind is not Message and not name.startswith("_")
}
TASK = "containerd.task.v3"
# The full name of each message: containerd's, as its docstring says. The task service's are in v2 as well.
FULL_NAMES = {name: (kind.__doc__ or "").split()[0].rstrip(":;,.") for name, kind in DECLARED.items()}
FULL_NAMES["Status"] = "Status"  # ttrpc's copy of google.rpc.Status has no package
BOTH_VERSIONS = [
    (name, full) for name, full in FULL_NAMES.items() for full in (full, full.replace(TASK, "containerd.task.v2"))
]
LEFT_OUT = {  # what containerd has and we do not declare, each for a reason
    "containerd.runtime.bootstrap.v1.BootstrapParams": {"extensions"},
    "containerd.runtime.bootstrap.v1.BootstrapResult": {"capabilities", "metadata"},
    "containerd.types.RuntimeInfo": {"options", "features", "annotations"},
    "containerd.task.v2.UpdateTaskRequest": {"annotations"},
    "containerd.task.v3.UpdateTaskRequest": {"annotations"},
    "io.containerd.cgroups.v2.Metrics": {"rdma", "io", "hugetlb", "network"},
    "io.containerd.cgroups.v2.CPUStat": {"psi"},
    "io.containerd.cgroups.v2.MemoryStat": {"psi"},
}

F = descriptor.FieldDescriptor
KINDS = {
    F.TYPE_STRING: STRING,
    F.TYPE_BYTES: BYTES,
    F.TYPE_UINT32: UINT,
    F.TYPE_UINT64: UINT,
    F.TYPE_ENUM: UINT,
    F.TYPE_INT32: INT,
    F.TYPE_INT64: INT,
    F.TYPE_BOOL: BOOL,
}
SIGNED_ENUMS = {"log_level"}  # an enum with negative values is an int32


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> descriptor_pool.DescriptorPool:
    """containerd's definitions, compiled."""
    out = tmp_path_factory.mktemp("protos") / "all.binpb"
    files = [str(path.relative_to(PROTOS)) for path in sorted(PROTOS.rglob("*.proto"))]
    code = protoc.main(["protoc", f"-I{PROTOS}", f"-I{GOOGLE}", f"--descriptor_set_out={out}", *files])
    assert code == 0
    made = descriptor_pool.DescriptorPool()
    for known in (any_pb2, empty_pb2, timestamp_pb2, descriptor_pb2):
        made.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    waiting = {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file}
    while waiting:
        for name, file in list(waiting.items()):
            if not any(dependency in waiting for dependency in file.dependency):
                made.Add(waiting.pop(name))
    return made


def problems(kind: type[Message], theirs: descriptor.Descriptor) -> list[str]:
    """How a declaration differs from the definition."""
    found = []
    by_number = {f.number: f for f in theirs.fields}
    for ours in kind._fields:
        other = by_number.pop(ours.number, None)
        if other is None or (other.name, other.is_repeated) != (ours.name, ours.repeated):
            found.append(f"field {ours.number} {ours.name} is not in {theirs.full_name}")
        elif not _same_kind(ours, other):
            found.append(f"field {ours.number} {ours.name} has kind {ours.kind}")
    missing = {f.name for f in by_number.values()} - LEFT_OUT.get(theirs.full_name, set())
    return found + [f"{name} of {theirs.full_name} is not declared" for name in sorted(missing)]


def _same_kind(ours: Field, theirs: descriptor.FieldDescriptor) -> bool:
    if isinstance(ours.kind, str):
        return ours.kind == (INT if theirs.name in SIGNED_ENUMS else KINDS.get(theirs.type))
    return theirs.message_type is not None and FULL_NAMES[ours.kind.__name__] == theirs.message_type.full_name


@pytest.mark.parametrize(("name", "full"), sorted(set(BOTH_VERSIONS)))
def test_the_declaration_is_containerds(pool: descriptor_pool.DescriptorPool, name: str, full: str) -> None:
    assert problems(DECLARED[name], pool.FindMessageTypeByName(full)) == []


class _WrongNumber(Message):
    id: str = field(2, STRING)
    exec_id: str = field(1, STRING)


class _WrongKind(Message):
    id: str = field(1, BYTES)
    exec_id: str = field(2, STRING)


class _Repeated(Message):
    id: list[str] = repeated(1, STRING)
    exec_id: str = field(2, STRING)


class _Missing(Message):
    id: str = field(1, STRING)


@pytest.mark.parametrize("wrong", [_WrongNumber, _WrongKind, _Repeated, _Missing])
def test_a_wrong_declaration_would_be_found(pool: descriptor_pool.DescriptorPool, wrong: type[Message]) -> None:
    assert problems(wrong, pool.FindMessageTypeByName(f"{TASK}.StateRequest"))


def _scalars(theirs: descriptor.FieldDescriptor) -> st.SearchStrategy[Any]:
    if theirs.enum_type is not None:
        return st.sampled_from([value.number for value in theirs.enum_type.values])
    return {
        F.TYPE_STRING: st.text(max_size=20),
        F.TYPE_BYTES: st.binary(max_size=20),
        F.TYPE_UINT32: st.integers(0, (1 << 32) - 1),
        F.TYPE_UINT64: st.integers(0, (1 << 64) - 1),
        F.TYPE_INT32: st.integers(-(1 << 31), (1 << 31) - 1),
        F.TYPE_INT64: st.integers(-(1 << 63), (1 << 63) - 1),
        F.TYPE_BOOL: st.booleans(),
    }[theirs.type]


def values(kind: type[Message], theirs: descriptor.Descriptor) -> st.SearchStrategy[dict[str, Any]]:
    """Values for all fields, as plain dictionaries: for us and for Google."""
    by_number = {f.number: f for f in theirs.fields}
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for ours in kind._fields:
        other = by_number[ours.number]
        one: st.SearchStrategy[Any]
        if isinstance(ours.kind, str):
            one = _scalars(other)
        else:
            assert other.message_type is not None
            one = values(ours.kind, other.message_type)
        if isinstance(ours.kind, str) and other.has_presence:
            one = one.filter(bool)  # `optional`: to us, empty means absent
        fields[ours.name] = st.lists(one, max_size=3) if ours.repeated else one
    return st.fixed_dictionaries({}, optional=fields)


def ours_of(kind: type[Message], given_values: dict[str, Any]) -> Message:
    """Our message with these values."""
    made = {}
    for declared in kind._fields:
        if declared.name not in given_values:
            continue
        value = given_values[declared.name]
        if isinstance(declared.kind, type):
            inner = declared.kind
            value = [ours_of(inner, item) for item in value] if declared.repeated else ours_of(inner, value)
        made[declared.name] = value
    return kind(**made)


@pytest.mark.parametrize("name", sorted(DECLARED))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_google_reads_what_we_write_and_we_what_google_writes(
    pool: descriptor_pool.DescriptorPool, name: str, data: st.DataObject
) -> None:
    kind = DECLARED[name]
    theirs = pool.FindMessageTypeByName(FULL_NAMES[name])
    chosen = data.draw(values(kind, theirs))
    google = message_factory.GetMessageClass(theirs)
    ours = ours_of(kind, chosen)
    written = google(**chosen)

    assert google.FromString(ours.encode()) == written
    assert kind.decode(written.SerializeToString()) == ours


def test_nanoseconds_become_seconds_and_the_rest() -> None:
    assert messages.Timestamp.at(1_500_000_007) == messages.Timestamp(seconds=1, nanos=500_000_007)
    assert messages.Timestamp.at(0) == messages.Timestamp()
