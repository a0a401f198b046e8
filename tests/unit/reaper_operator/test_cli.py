"""cli.py: exit codes and what a person reads."""

import json
import logging
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reaper_operator.cli import main
from tests.ports import free_port


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def test_a_wrong_setting_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--workers", "none"]) == 2
    assert capsys.readouterr().err == "reaper_operator: --workers is a whole number, not 'none'\n"


def test_no_way_to_a_cluster_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kubeconfig", str(tmp_path / "absent")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert " ERROR no way to the Kubernetes API: " in line


def test_what_ends_it_is_json_where_the_log_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kubeconfig", str(tmp_path / "absent"), "--log-format", "json"]) == 1
    line = json.loads(capsys.readouterr().err)
    assert line["level"] == "error"
    assert line["message"].startswith("no way to the Kubernetes API: ")


def test_a_fault_of_its_own_is_shown_in_full_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here of the machine: a process without a name for it."""

    def nameless() -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("socket.gethostname", nameless)
    assert main([*words_of(tmp_path), "--log-format=json"]) == 1
    line = json.loads(capsys.readouterr().err)
    assert line["message"] == "this process ends by a fault of its own"
    assert line["error"].endswith("ZeroDivisionError")


def words_of(folder: Path) -> list[str]:
    """A command line that is good, for an API server that nobody has."""
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    user: dict[str, object] = {"name": "u", "user": {}}
    content = {"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "x"}
    (folder / "kubeconfig").write_text(json.dumps(content))
    words = [f"--kubeconfig={folder}/kubeconfig", "--lease-namespace=a"]
    return words + [f"--{what}-address=127.0.0.1:{free_port()}" for what in ("health", "metrics")]


def test_webhooks_without_their_extra_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("cryptography", "reaper_operator.webhooks"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    words = [*words_of(tmp_path), "--webhook-address=127.0.0.1:1"]
    assert main(words) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert " ERROR --webhook-address needs the extra reaper-k8s[operator-webhooks]: " in error


def test_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["reaper_operator", "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("reaper_operator", run_name="__main__")
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "--resync-seconds" in text
    assert "REAPER_OPERATOR_LOG_FORMAT" in text
