"""A page with commands and what they print, as a person sees them.

In a block ```` ```console ````, `$ ` begins a command, `> ` continues it, and all other lines are its output. A line
`…` in an output stands for any lines, and `…` at the end of a line for any rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

ANY = "…"
_BEGIN, _END = "```console\n", "```\n"

# What is another one each time: the name that stands for it, and how it looks.
_VARIES = {
    "UID": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    "TIME": r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?",
    "CLOCK": r"\b\d\d:\d\d:\d\d\b",
    "SPAN": r"\b\d+(?:\.\d+)?(?:d|h|ms|m|s)(?:\d+(?:h|m|s))*\b|\b\d+ s\b",
    "VERSION": r"\b\d+\.\d+\.\d+(?:-[0-9a-z]+)?\b",
    "HASH": r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,64}\b",
    "SIZE": r"\b\d+(?:\.\d+)?(?:Ki|Mi|Gi)\b|\b\d+m\b",
    "NUMBER": r"\b\d{3,}\b",
}
# What `--wait` tells on the way to an end: how much of it is seen depends on how fast the way was.
_ON_THE_WAY = re.compile(r"[a-z0-9-]+: (?:Pending|Running)\b.*")
_VARYING = re.compile("|".join(f"(?P<{name}>{form})" for name, form in _VARIES.items()))
_EXACT = re.compile(r"exit code \d+|(?:uid|gid|groups)=\d+")  # numbers that say what happened


class PageError(ValueError):
    """A block that cannot be typed; the message has its line."""


@dataclass(frozen=True)
class Step:
    """A command and the output that the page shows for it."""

    line: int
    command: str
    output: tuple[str, ...]

    def text(self) -> str:
        """As it stands in the page."""
        first, *more = self.command.split("\n")
        lines = [f"$ {first}", *(f"> {line}" if line else ">" for line in more), *self.output]
        return "".join(f"{line}\n" for line in lines)


def steps(page: str) -> list[Step]:
    """All commands of a page, in their order. Raises PageError."""
    return [step for part in _parts(page) if isinstance(part, list) for step in part]


def with_outputs(page: str, outputs: list[tuple[str, ...]]) -> str:
    """The page with other outputs, one for each command."""
    left = iter(outputs)
    return "".join(
        part
        if isinstance(part, str)
        else _BEGIN + "\n".join(replace(step, output=next(left)).text() for step in part) + _END
        for part in _parts(page)
    )


def differs(shown: tuple[str, ...], printed: tuple[str, ...]) -> bool:
    """Whether an output is not what the page shows, but for times, pids and the like, and for what passes by."""
    pattern = "".join(_pattern(line) for line in shown if not _ON_THE_WAY.fullmatch(line))
    seen = "".join(f"{_plain(line)}\n" for line in printed if not _ON_THE_WAY.fullmatch(line))
    return not re.fullmatch(pattern, seen)


def _pattern(line: str) -> str:
    if line == ANY:
        return r"(?:.*\n)*?"
    if line.endswith(ANY):
        return re.escape(_plain(line.removesuffix(ANY))) + r".*\n"
    return re.escape(_plain(line)) + r"\n"


def _plain(line: str) -> str:
    """A line without what is another one each time, and without the width of its columns."""
    exact = [(found.start(), found.end()) for found in _EXACT.finditer(line)]

    def name(found: re.Match[str]) -> str:
        kept = any(begin <= found.start() < end for begin, end in exact)
        return found.group() if kept else f"<{found.lastgroup}>"

    return " ".join(_VARYING.sub(name, line).split())


def _parts(page: str) -> list[str | list[Step]]:
    """Prose as text, and each block as its steps."""
    parts: list[str | list[Step]] = []
    prose: list[str] = []
    block: list[tuple[int, str]] | None = None
    for number, line in enumerate(page.splitlines(keepends=True), start=1):
        if block is None and line == _BEGIN:
            parts.append("".join(prose))
            prose, block = [], []
        elif block is not None and line == _END:
            parts.append(_block(block))
            block = None
        elif block is not None:
            block.append((number, line.rstrip("\n")))
        else:
            prose.append(line)
    if block is not None:
        raise PageError(f"line {block[0][0] - 1 if block else number}: a block without an end")
    return [*parts, "".join(prose)]


def _block(lines: list[tuple[int, str]]) -> list[Step]:
    found: list[Step] = []
    for number, line in lines:
        if line.startswith("$ "):
            found.append(Step(number, line.removeprefix("$ "), ()))
        elif not found:
            raise PageError(f"line {number}: {line!r} stands before the first command of its block")
        elif (line.startswith("> ") or line == ">") and not found[-1].output:
            found[-1] = replace(found[-1], command=f"{found[-1].command}\n{line.removeprefix('>').removeprefix(' ')}")
        else:
            found[-1] = replace(found[-1], output=(*found[-1].output, line))
    return [*(replace(step, output=_trimmed(step.output)) for step in found[:-1]), *found[-1:]]


def _trimmed(output: tuple[str, ...]) -> tuple[str, ...]:
    """Without the empty line that stands between it and the next command."""
    return output[:-1] if output and output[-1] == "" else output
