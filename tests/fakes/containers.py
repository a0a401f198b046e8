"""What the tests of containers do again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reaper_runtime.host.stdio import StdioPaths
from tests.fakes.runtime import spec

if TYPE_CHECKING:
    from reaper_runtime.container import Container

NOWHERE = StdioPaths("", "", "")
SLEEP = ("/bin/sleep", "60")


async def start_exec(container: Container, exec_id: str, wanted: Any = None, *, start: bool = True) -> int:
    """Add an exec, sleeping by default, and start it unless told otherwise; gives its pid."""
    await container.add_exec(exec_id, wanted or spec(*SLEEP), NOWHERE)
    if start:
        await container.start(exec_id, lambda _pid: None)
    return container.process(exec_id).pid


async def exit_code(container: Container, exec_id: str = "") -> int:
    """The exit code, once it is published."""
    code: int = (await container.process(exec_id).published).code
    return code
