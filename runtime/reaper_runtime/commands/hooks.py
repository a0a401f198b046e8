"""Runs the hooks of a container (OCI runtime-spec, config.md): in order, with the state on standard input."""

import json
import os
import signal

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.loop import Future

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reaper_runtime.exits import Exit, Reaper
    from reaper_runtime.loop import Loop
    from reaper_runtime.oci.hooks import Hook

_MAX_OUTPUT = 2048  # bytes of what a failed hook said that go into its error
_UNCHANGEABLE = (signal.SIGKILL, signal.SIGSTOP)


async def run(
    loop: "Loop", reaper: "Reaper", kind: str, hooks: "tuple[Hook, ...]", state: "dict[str, Any]", given_up: Future
) -> None:
    """Run the hooks one after the other; raises FailedPrecondition at the first that fails.

    given_up: when it is set, the hook that runs is killed, and none of those to come is run.
    """
    for position, hook in enumerate(hooks):
        if given_up.done:
            return
        await _run_one(loop, reaper, f"{kind} hook {position} ({hook.path})", hook, state, given_up)


async def _run_one(
    loop: "Loop", reaper: "Reaper", what: str, hook: "Hook", state: "dict[str, Any]", given_up: Future
) -> None:
    stdin, output = os.memfd_create("state"), os.memfd_create("output")
    try:
        os.write(stdin, json.dumps(state).encode())
        os.lseek(stdin, 0, os.SEEK_SET)
        ended, killed = await _wait(loop, reaper, _spawn(what, hook, stdin, output), hook.timeout, given_up)
        if killed and given_up.done:
            raise FailedPrecondition(f"{what} was killed: the container is deleted by force")
        if killed:
            raise FailedPrecondition(f"{what} was killed: it took longer than its timeout of {hook.timeout} s")
        if ended.code:
            said = os.pread(output, _MAX_OUTPUT, 0).decode(errors="replace").strip()
            raise FailedPrecondition(f"{what} failed with exit code {ended.code}{': ' if said else ''}{said}")
    finally:
        os.close(stdin)
        os.close(output)


def _spawn(what: str, hook: "Hook", stdin: int, output: int) -> int:
    streams = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate((stdin, output, output))]
    try:
        return os.posix_spawn(
            hook.path,
            hook.args,
            hook.env,
            file_actions=streams,
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals().difference(_UNCHANGEABLE),
        )
    except OSError as error:
        raise FailedPrecondition(f"{what} cannot run: {error.strerror}") from error


async def _wait(loop: "Loop", reaper: "Reaper", pid: int, seconds: int | None, given_up: Future) -> "tuple[Exit, bool]":
    """Its Exit, and whether it had to be killed: because its time was over, or it was given up."""
    ended = reaper.expect(pid)
    over = Future()
    ended.when_done(lambda: over.set(False))

    def kill() -> None:
        over.set(True)
        if not ended.done:
            os.killpg(pid, signal.SIGKILL)  # not reaped yet: the number is still its own

    timer = None if seconds is None else loop.call_later(seconds, kill)
    given_up.when_done(kill)
    killed: bool = await over
    exit_: Exit = await ended
    if timer is not None:
        timer.cancel()
    return exit_, killed
