"""The plugin as a whole: its verbs, its manners, and how quickly it answers."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from reaper_cli.main import SECTIONS, VERBS, plugin
from tests.fakes.kubectl import FakeCluster

HEAVY = {"pydantic", "ruamel", "kubernetes", "yaml", "asyncio", "importlib.metadata", "reaper_api.task"}


def loaded(*words: str) -> set[str]:
    """The modules that are there after the plugin has done something."""
    code = "import sys; from reaper_cli.main import plugin; plugin.main(sys.argv[1:], standalone_mode=False); "
    code += "sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["get", "--help"], ["completion", "bash"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    modules = loaded(*words)
    assert {name for name in HEAVY if name in modules} == set()
    assert len([name for name in modules if name.startswith("reaper_cli.commands.")]) <= 1


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["completion", "bash"]], ids=" ".join)
def test_help_is_there_within_400_ms(words: list[str]) -> None:
    """Of a processor's time, and in one of five tries, since the machine may have other work."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    command = [sys.executable, "-c", "from reaper_cli.main import main; main()", *words]
    times: list[float] = []
    while len(times) < 5 and min(times, default=1.0) >= 0.4:
        before = spent()
        subprocess.run(command, capture_output=True, check=True)
        times.append(spent() - before)
    assert min(times) < 0.4, times


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_says_the_same_in_its_help_as_in_the_list(name: str) -> None:
    context = click.Context(plugin)
    command = plugin.get_command(context, name)
    assert command is not None
    text = (command.help or "").strip().splitlines()[0]
    assert text == VERBS[name] if name not in ("validate", "local") else text


def test_each_verb_is_a_module_and_each_module_a_verb() -> None:
    folder = Path(__file__).parents[3] / "cli" / "reaper_cli" / "commands"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(VERBS)


def test_the_help_has_sections(capsys: pytest.CaptureFixture[str]) -> None:
    result = FakeCluster().run("--help")
    assert result.exit_code == 0
    for title in SECTIONS:
        assert f"\n{title}:\n" in result.stdout
    assert "124 out of time" in " ".join(result.stdout.split())


def test_the_help_of_a_verb_has_its_own_flags_first() -> None:
    text = FakeCluster().run("exec", "--help").stdout
    assert text.startswith("Usage: plugin exec [OPTIONS] NAME -- COMMAND [ARGUMENT]...\n")
    assert text.index("\nOptions:\n  -i, --stdin") < text.index("\nOptions of kubectl:\n  -n, --namespace")


@pytest.mark.parametrize(("word", "meant"), [("lgos", "logs"), ("describ", "describe"), ("dockter", "doctor")])
def test_a_verb_that_is_misspelled_is_guessed(word: str, meant: str) -> None:
    result = FakeCluster().run(word)
    assert result.exit_code == 2
    assert f"there is no verb '{word}': did you mean '{meant}'?" in result.stderr


def test_a_verb_that_resembles_nothing_is_said() -> None:
    result = FakeCluster().run("xyzzy")
    assert result.exit_code == 2
    assert result.stderr.endswith("there is no verb 'xyzzy'\n")


def test_data_and_talk_are_apart_and_colours_only_where_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeCluster()
    cluster.add_task(phase="Failed", reason="Error", exitCode=1)
    assert "\x1b[" in cluster.run("describe", "hello", colour=True).stdout
    assert "\x1b[" not in cluster.run("describe", "hello").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in cluster.run("describe", "hello", colour=True).stdout


def test_the_console_scripts_are_there() -> None:
    scripts = {entry.name: entry.value for entry in entry_points(group="console_scripts")}
    assert scripts["kubectl-reaper"] == "reaper_cli.main:main"
    assert scripts["kubectl_complete-reaper"] == "reaper_cli.completion:main"
    assert scripts["reaper-validate"] == "reaper_cli.validate:main"


@pytest.fixture
def kubectl_that_hangs(tmp_path: Path) -> dict[str, str]:
    """An environment in which kubectl tells that it was asked, and then does not answer."""
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\necho asked >&2\nexec sleep 60\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_as_ctrl_c_does(kubectl_that_hangs: dict[str, str], number: signal.Signals) -> None:
    # Whoever runs the tests in the background of a shell has them ignore SIGINT.
    default = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{default}; from reaper_cli.main import main; main()"
    # `call` leaves kubectl the standard error of this process: that is how we know that it is at work.
    words = [sys.executable, "-c", code, "run", "x", "-n", "d", "-o", "jsonpath={.x}", "--", "y"]
    script = Path(kubectl_that_hangs["PATH"].split(":")[0]) / "kubectl"
    script.write_text(
        '#!/bin/sh\ncase "$*" in *create*) echo \'{"metadata": {"name": "x", "namespace": "d", "uid": "u"}}\';;'
        " *) echo asked >&2; exec sleep 60;; esac\n"
    )
    process = subprocess.Popen(
        words, env=kubectl_that_hangs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == "asked\n"
        os.killpg(process.pid, number)
        assert process.wait(10) == 130


def test_the_script_of_completion_is_answered() -> None:
    code = "from reaper_cli.main import main; main()"
    asked = {"_KUBECTL_REAPER_COMPLETE": "bash_complete", "COMP_WORDS": "kubectl-reaper conv", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, check=True, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("plain,convert\n", "")


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    code = "from reaper_cli.main import main; main()"
    script = f"{sys.executable} -c '{code}' --help | head -c 1"
    done = subprocess.run(["/bin/bash", "-c", script], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("U", "")
