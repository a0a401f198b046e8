"""leading.py: what an end may leave in the log. The rest runs in tests/integration."""

from __future__ import annotations

import asyncio
import gc

import aiohttp
import pytest

from reaper_operator.leading import pass_over_cut_connections


async def abandoned(error: Exception) -> None:
    """A task that fails, and that nobody asks how it ended."""

    async def fail() -> None:
        raise error

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    error.__traceback__ = None  # which leads back to the task
    del task
    gc.collect()


@pytest.mark.parametrize(
    "error", [aiohttp.ClientConnectionError("Connection closed"), aiohttp.ServerDisconnectedError("cut off by the end")]
)
async def test_a_request_that_the_end_cut_off_is_no_traceback(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.get_running_loop().set_exception_handler(pass_over_cut_connections)
    await abandoned(error)
    assert str(error) not in caplog.text


async def test_any_other_fault_is_still_told(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.get_running_loop().set_exception_handler(pass_over_cut_connections)
    await abandoned(ZeroDivisionError("a fault of ours"))
    assert "Task exception was never retrieved" in caplog.text
    assert "a fault of ours" in caplog.text


async def test_without_it_the_end_would_print_one(caplog: pytest.LogCaptureFixture) -> None:
    await abandoned(aiohttp.ClientConnectionError("Connection closed"))
    assert "Connection closed" in caplog.text
