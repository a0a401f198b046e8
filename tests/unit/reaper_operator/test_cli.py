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
    error = capsys.readouterr().err
    assert error.startswith("reaper_operator: no way to the Kubernetes API: ")
    assert error.count("\n") == 1


def test_webhooks_without_their_extra_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("cryptography", "reaper_operator.webhooks"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    user: dict[str, object] = {"name": "u", "user": {}}
    content = {"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "x"}
    kubeconfig.write_text(json.dumps(content))
    words = [f"--kubeconfig={kubeconfig}", "--lease-namespace=a", "--webhook-address=127.0.0.1:1"]
    words += [f"--{what}-address=127.0.0.1:{free_port()}" for what in ("health", "metrics")]
    assert main(words) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("reaper_operator: --webhook-address needs the extra reaper-k8s[operator-webhooks]: ")


def test_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["reaper_operator", "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("reaper_operator", run_name="__main__")
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "--resync-seconds" in text
    assert "REAPER_OPERATOR_LOG_FORMAT" in text
