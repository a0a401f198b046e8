"""What a watch knows, over lists and events."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reaper_cli.cluster import Change
from reaper_cli.listing import Listing


def body(uid: str, version: int = 1) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": str(version)}}


def kinds(changes: Any) -> list[tuple[str, str]]:
    return [(change.type, change.body["metadata"]["uid"]) for change in changes]


def test_the_first_list_is_all_new_and_the_second_only_what_differs() -> None:
    listing = Listing()
    assert kinds(listing.replace([body("a"), body("b")])) == [("ADDED", "a"), ("ADDED", "b")]
    assert kinds(listing.replace([body("b", 2), body("c")])) == [("DELETED", "a"), ("MODIFIED", "b"), ("ADDED", "c")]
    assert kinds(listing.replace([body("b", 2), body("c")])) == []


def test_events_that_say_what_is_known_say_nothing() -> None:
    listing = Listing()
    list(listing.replace([body("a")]))
    assert kinds(listing.take(Change("ADDED", body("a")))) == []
    assert kinds(listing.take(Change("MODIFIED", body("a", 2)))) == [("MODIFIED", "a")]
    assert kinds(listing.take(Change("BOOKMARK", {"metadata": {"resourceVersion": "9"}}))) == []
    assert kinds(listing.take(Change("DELETED", body("a", 3)))) == [("DELETED", "a")]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("list"), st.dictionaries(st.sampled_from("abc"), st.integers(1, 3), max_size=3)),
        st.tuples(
            st.sampled_from(["ADDED", "MODIFIED", "DELETED"]), st.tuples(st.sampled_from("abc"), st.integers(1, 3))
        ),
    ),
    max_size=12,
)


@given(STEPS)
def test_who_hears_all_changes_knows_what_is_there(steps: list[tuple[str, Any]]) -> None:
    listing, truth, heard = Listing(), dict[str, int](), dict[str, int]()
    for kind, value in steps:
        if kind == "list":
            truth = dict(value)
            changes = list(listing.replace([body(uid, version) for uid, version in truth.items()]))
        else:
            uid, version = value
            truth = {**truth, uid: version} if kind != "DELETED" else {k: v for k, v in truth.items() if k != uid}
            changes = list(listing.take(Change(kind, body(uid, version))))
        for change in changes:
            metadata = change.body["metadata"]
            if change.type == "DELETED":
                heard.pop(metadata["uid"], None)
            else:
                heard[metadata["uid"]] = int(metadata["resourceVersion"])
        assert heard == truth
