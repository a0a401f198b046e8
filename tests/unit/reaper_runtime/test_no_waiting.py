"""Nothing in runtime/ sleeps or polls: it waits for descriptors and the timers of its loop."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import reaper_runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = sorted(Path(reaper_runtime.__file__).parent.rglob("*.py"))
SLEEPS = {"sleep", "usleep", "nanosleep", "clock_nanosleep", "sched_yield", "sigtimedwait"}
WAITS = {"poll", "select"}  # with a time that is a number, in a loop: they look again and again
OTHERS_LOOPS = {"asyncio", "sched", "selectors", "threading"}


def waiting(source: str) -> list[str]:
    """The lines that sleep, or look again and again, each with its number."""
    tree = ast.parse(source)
    return sorted({f"{node.lineno}: {what}" for node, what in (*_sleeps(tree), *_polls(tree))})


def _sleeps(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt | ast.alias, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in SLEEPS:
            yield node, node.attr
        elif isinstance(node, ast.Constant) and node.value in SLEEPS:  # by name from the C library
            yield node, str(node.value)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = {getattr(node, "module", ""), *(alias.name for alias in node.names)}
            for name in sorted(modules & (SLEEPS | OTHERS_LOOPS)):
                yield node, name


def _polls(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    for loop in ast.walk(tree):
        if isinstance(loop, ast.While | ast.For | ast.AsyncFor):
            for node in ast.walk(loop):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WAITS:
                    times = [a for a in (*node.args, *(k.value for k in node.keywords)) if _is_number(a)]
                    if times:
                        yield node, f"{node.func.attr} in a loop"


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_it_neither_sleeps_nor_polls(path: Path) -> None:
    assert waiting(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1)",
        "from time import sleep as s\ns(1)",
        "libc.usleep(5)",
        "getattr(libc, 'nanosleep')(x)",
        "import asyncio",
        "from threading import Event",
        "while not there():\n    poll.poll(10)",
        "for _ in range(9):\n    select.select([], [], [], 0.1)",
        "while True:\n    if epoll.poll(timeout=0):\n        break",
    ],
)
def test_what_waits_is_found(source: str) -> None:
    assert waiting(source) != []


@pytest.mark.parametrize("source", ["while running:\n    epoll.poll(until_next_timer())", "ready = poll.poll(0)"])
def test_what_a_loop_or_one_look_does_is_allowed(source: str) -> None:
    assert waiting(source) == []
