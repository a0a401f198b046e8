from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from tests.machine.errors import MachineError
from tests.machine.machine import run


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def alive(pid: bytes) -> bool:
    return Path(f"/proc/{int(pid)}").exists()


@pytest.mark.parametrize("code", [0, 5])
def test_the_output_and_the_code_are_those_of_what_ran_inside(tmp_path: Path, code: int) -> None:
    output = io.BytesIO()
    assert run(shell(f"echo 3 passed; printf {code} > {tmp_path}/result"), tmp_path, output, 60) == code
    assert output.getvalue() == b"3 passed\n"


def test_without_a_result_the_console_is_shown(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"without a result; the last on its console:\nKernel panic"):
        run(shell(f"echo Kernel panic > {tmp_path}/console"), tmp_path, io.BytesIO(), 60)


def test_the_limit_ends_it(tmp_path: Path) -> None:
    output = io.BytesIO()
    with pytest.raises(MachineError, match=re.escape("MINUTES=")):
        run(shell("echo $$; exec sleep 300"), tmp_path, output, 0.3)
    assert not alive(output.getvalue())


def test_an_interrupt_ends_it(tmp_path: Path) -> None:
    class Interrupted(io.BytesIO):
        def flush(self) -> None:
            raise KeyboardInterrupt

    output = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run(shell("echo $$; exec sleep 300"), tmp_path, output, 60)
    assert not alive(output.getvalue())
