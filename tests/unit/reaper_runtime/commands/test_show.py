"""What `features` says of the runtime is what it does."""

from __future__ import annotations

from reaper_runtime.annotations import parse
from reaper_runtime.commands.show import features
from reaper_runtime.oci import fields


def test_each_annotation_that_is_read_is_named() -> None:
    """features.md: a value that ends with a dot is a prefix, and any other is the whole name."""
    known = ("cgroup", "dns-mode", "network", "overlay-name", "stderr", "stdout", "task")
    named = features()["potentiallyUnsafeConfigAnnotations"]
    assert sorted(named) == [f"reaper.runtime/{name}" for name in known]
    told = parse({**dict.fromkeys(named, ""), "reaper.runtime/task": "hello"})
    assert told.warnings == (), "one of them is not read"


def test_what_is_not_honoured_is_not_claimed() -> None:
    """features.md: enabled tells whether the runtime was built with the feature."""
    linux = features()["linux"]
    ignored = {field.name for field in fields.FIELDS if field.verdict != fields.APPLIED}
    of_fields = {
        "seccomp": "linux.seccomp",
        "apparmor": "process.apparmorProfile",
        "selinux": "process.selinuxLabel",
        "intelRdt": "linux.intelRdt",
    }
    for name, field in of_fields.items():
        assert linux[name]["enabled"] == (field not in ignored), name
