from __future__ import annotations

import pytest

from cluster.cli import main


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "required: VERB"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["up", "--workers", "two"], "'two' is not a number of workers"),
        (["up", "--workers", "-1"], "--workers"),
        (["load"], "required: image"),
        (["path", "rust"], "invalid choice: 'rust'"),
        (["down", "--now"], "unrecognized arguments: --now"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_workers_come_from_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKERS", "many")
    with pytest.raises(SystemExit):
        main(["up"])
    assert "'many' is not a number of workers" in capsys.readouterr().err
