"""transcript.py: what is read from a page, and when an output counts as what the page shows."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tutorial.transcript import PageError, Step, differs, steps, with_outputs

PAGE = """# A page

```console
$ cat > a.yaml <<END
> one
>
>   two
> END
$ kubectl get rt
NAME   AGE
a      3s

$ echo
```

Prose, and a block that nobody types:

```yaml
$ not: a command
```

```console
$ last
fine
```
"""


def test_commands_and_outputs_are_read() -> None:
    assert steps(PAGE) == [
        Step(4, "cat > a.yaml <<END\none\n\n  two\nEND", ()),
        Step(9, "kubectl get rt", ("NAME   AGE", "a      3s")),
        Step(13, "echo", ()),
        Step(23, "last", ("fine",)),
    ]


def test_new_outputs_take_the_place_of_old_ones() -> None:
    page = with_outputs(PAGE, [(), ("NAME", "b"), ("", "x"), ("good",)])
    assert [step.output for step in steps(page)] == [(), ("NAME", "b"), ("", "x"), ("good",)]
    assert "Prose, and a block that nobody types:\n\n```yaml\n$ not: a command\n```\n" in page


def test_a_page_that_says_what_is_printed_stays_as_it_is() -> None:
    page = with_outputs(PAGE, [step.output for step in steps(PAGE)])
    assert with_outputs(page, [step.output for step in steps(page)]) == page


@given(st.lists(st.text("a $>…\n", max_size=20), max_size=5))
@example(["$ \n", ""])  # empty lines at the end of a block are output, no command follows them
@example(["$ a", ">  "])  # a continued line of blanks
def test_what_can_be_read_stays_the_same_when_it_is_written(lines: list[str]) -> None:
    page = "```console\n" + "\n".join(lines) + "\n```\n"
    try:
        read = steps(page)
    except PageError:
        return  # the cases below say which, and with what words
    again = steps(with_outputs(page, [step.output for step in read]))
    assert [(step.command, step.output) for step in again] == [(step.command, step.output) for step in read]


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("x\n```console\noutput\n```\n", "line 3: 'output' stands before the first command of its block"),
        ("x\n```console\n$ a\n", "line 2: a block without an end"),
    ],
)
def test_a_block_that_cannot_be_typed_names_its_line(page: str, message: str) -> None:
    with pytest.raises(PageError) as error:
        steps(page)
    assert str(error.value) == message


SAME = {
    "times": ("started 3s ago, at 2026-11-26T10:00:00Z", "started 1m12s ago, at 2027-01-01T00:00:00Z"),
    "seconds": ("not renewed for 10 s", "not renewed for 12 s"),
    "columns": ("NAME    AGE", "NAME  AGE"),
    "pids": ("  1095  1082 root sh", " 31095 31082 root sh"),
    "uids": ("uid d85a46ce-08f6-40a6-84e5-b6b6c70067e4", "uid 00000000-08f6-40a6-84e5-b6b6c70067e4"),
    "hashes": ("k8s.io  51eb562e70e4e", "k8s.io  0a1b562e70e4e"),
    "versions": ("runtime 0.1.0-1a2b3c4d", "runtime 0.2.0-00000000"),
    "sizes": ("250m 64Mi", "1m 3Mi"),
    "any rest": ("error: no room …", "error: no room on /dev/sda1"),
}


@pytest.mark.parametrize(("shown", "printed"), SAME.values(), ids=SAME)
def test_what_is_another_one_each_time_makes_no_difference(shown: str, printed: str) -> None:
    assert not differs((shown,), (printed,))


OTHER = {
    "words": ("Succeeded", "Failed"),
    "exit code": ("ended with exit code 143", "ended with exit code 137"),
    "ids": ("uid=1000", "uid=2000"),
    "small numbers": ("a   Failed  42", "a   Failed  43"),
    "a line more": ("a", "a\nb"),
    "no line": ("a", ""),
    "not a pattern": ("a.c", "abc"),
}


@pytest.mark.parametrize(("shown", "printed"), OTHER.values(), ids=OTHER)
def test_all_else_does(shown: str, printed: str) -> None:
    assert differs((shown,), tuple(printed.splitlines()))


def test_what_passes_by_may_be_missed() -> None:
    shown = ("hello: created", "hello: Pending", "hello: Running on node n", "hello: Failed: Error")
    assert not differs(shown, ("hello: created", "hello: Pending: ContainerCreating", "hello: Failed: Error"))
    assert differs(shown, ("hello: created", "hello: Pending"))


def test_left_out_lines_are_any_lines() -> None:
    shown = ("first", "…", "last")
    assert not differs(shown, ("first", "last"))
    assert not differs(shown, ("first", "x", "y", "last"))
    assert differs(shown, ("first", "x", "y"))
