"""run: the task that the flags mean, and staying with it to its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from reaper_cli.errors import AlreadyExists
from tests.fakes.kubectl import FakeCluster

if TYPE_CHECKING:
    from pathlib import Path

RUNNING = {"phase": "Running", "podName": "hello", "podUID": "p1", "nodeName": "n1"}
STARTED = "2026-11-25T12:00:00Z"


def over(code: int | None, **more: Any) -> dict[str, Any]:
    phase = "Succeeded" if code == 0 else "Failed"
    found = {**RUNNING, "phase": phase, "startTime": STARTED, **more}
    return found if code is None else {**found, "exitCode": code}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def task_of(cluster: FakeCluster, name: str = "hello") -> dict[str, Any]:
    return cluster.objects["reapertasks", "default", name]


def script(cluster: FakeCluster, *statuses: dict[str, Any]) -> None:
    """The task goes through these as soon as somebody watches it."""
    body = {"metadata": {"name": "hello", "namespace": "default"}}
    cluster.script = [cluster.becomes(body, **status) for status in statuses]


def test_a_task_is_created_and_said(cluster: FakeCluster) -> None:
    result = cluster.run("run", "hello", "--", "/bin/echo", "-n", "hi")
    assert (result.exit_code, result.stdout) == (0, "reapertask.reaper.io/hello created\n")
    assert task_of(cluster)["spec"] == {"command": ["/bin/echo", "-n", "hi"]}


def test_without_a_name_the_task_is_named_after_the_program(cluster: FakeCluster) -> None:
    result = cluster.run("run", "-o", "name", "--", "/usr/bin/Some_Tool.sh")
    assert result.stdout == "reapertask.reaper.io/some-tool-sh-x1\n"


def test_every_flag_becomes_its_field(cluster: FakeCluster) -> None:
    words = "run hello -e A=b -e C=d=e -w /tmp -u 1000:100 --group 5 --node n1 --node-selector a=b,c=d --tolerate-all"
    words += (
        " --overlay build --dns kubernetes --restart OnFailure --retries 3 --deadline 1h30m --grace-period 5 --ttl 2m"
    )
    words += " --labels x=y -l z=z --annotations p=q --dry-run=client -o json"
    result = cluster.run(*words.split(), "--", "true")
    body = json.loads(result.stdout)
    assert body["metadata"] == {"name": "hello", "labels": {"x": "y", "z": "z"}, "annotations": {"p": "q"}}
    assert body["spec"] == {
        "command": ["true"],
        "env": [{"name": "A", "value": "b"}, {"name": "C", "value": "d=e"}],
        "user": {"uid": 1000, "gid": 100, "supplementalGroups": [5]},
        "nodeSelector": {"a": "b", "c": "d"},
        "tolerations": [{"operator": "Exists"}],
        "overlay": {"name": "build"},
        "workingDir": "/tmp",
        "nodeName": "n1",
        "restartPolicy": "OnFailure",
        "dnsMode": "kubernetes",
        "backoffLimit": 3,
        "activeDeadlineSeconds": 5400,
        "terminationGracePeriodSeconds": 5,
        "ttlSecondsAfterFinished": 120,
    }
    assert cluster.objects == {}


def test_a_client_dry_run_names_what_is_wrong(cluster: FakeCluster) -> None:
    result = cluster.run("run", "hello", "--dry-run=client", "--", "bin/tool")
    assert result.exit_code == 1
    assert "command[0] is an absolute path such as /usr/bin/env" in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["Bad Name"], "metadata.name: 'Bad Name' is no name of an object"),
        (["hello", "--labels", "a=has space"], "labels: a cannot be 'has space'"),
    ],
)
def test_a_client_dry_run_refuses_what_the_api_server_would(
    cluster: FakeCluster, words: list[str], sentence: str
) -> None:
    result = cluster.run("run", *words, "--dry-run=client", "--", "true")
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr


def test_a_client_dry_run_quotes_what_kubectl_would_read_as_a_boolean(cluster: FakeCluster) -> None:
    result = cluster.run("run", "hello", "--dry-run=client", "-o", "yaml", "--", "echo", "yes", "on", "no")
    assert "- 'yes'\n    - 'on'\n    - 'no'\n" in result.stdout


def test_a_server_dry_run_leaves_nothing(cluster: FakeCluster) -> None:
    result = cluster.run("run", "hello", "--dry-run=server", "--", "true")
    assert result.stdout == "reapertask.reaper.io/hello created (server dry run)\n"
    assert cluster.objects == {}


def test_a_template_is_kubectls_work(cluster: FakeCluster) -> None:
    cluster.run("run", "hello", "-o", "jsonpath={.metadata.uid}", "--", "true")
    assert cluster.called == [
        ("get", "reapertask.reaper.io/hello", "--namespace=default", "-o", "jsonpath={.metadata.uid}")
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run"], "what shall run? Write it after --"),
        (["run", "hello"], "kubectl reaper run hello -- /bin/date"),
        (["run", "hello", "date"], "what shall run stands after --"),
        (["run", "-t", "--", "x"], "-t is of use with -i only"),
        (["run", "--rm", "--", "x"], "--rm deletes the task at its end: add --wait or -i"),
        (["run", "--timeout", "1m", "--", "x"], "--timeout limits the waiting"),
        (["run", "--wait", "--dry-run=server", "--", "x"], "there is nothing to wait for"),
        (["run", "-o", "table", "--", "x"], "'table' is no format"),
        (["run", "--deadline", "soon", "--", "x"], "'soon' is no time: write for example 90s"),
        (["run", "-f", "x.yaml", "--", "x"], "the task of -f is taken as it is"),
        (["run", "-f", "x.yaml", "-e", "A=b"], "the task of -f is taken as it is"),
    ],
)
def test_flags_that_make_no_sense_are_usage_errors(cluster: FakeCluster, words: list[str], sentence: str) -> None:
    result = cluster.run(*words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert cluster.objects == {}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--env", "A"], "--env A: write NAME=VALUE"),
        (["--user", "root"], "--user root: write UID:GID in numbers"),
        (["-u", "5"], "--user 5: write UID:GID in numbers"),
        (["--labels", "x"], "--labels x: write KEY=VALUE"),
        (["--annotations", "x"], "--annotations x: write KEY=VALUE"),
    ],
)
def test_values_that_make_no_sense_are_named(cluster: FakeCluster, flags: list[str], sentence: str) -> None:
    result = cluster.run("run", *flags, "--", "x")
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_waiting_shows_the_output_and_passes_the_exit_code_on(cluster: FakeCluster) -> None:
    script(
        cluster, {"phase": "Pending", "reason": "Unschedulable", "message": "no node"}, RUNNING, over(3, reason="Error")
    )
    result = cluster.run("run", "hello", "--wait", "--", "x")
    assert result.exit_code == 3
    assert cluster.called == [("logs", "hello", "--container=task", "--namespace=default", "--follow")]
    assert result.stdout == ""  # kubectl writes the output itself
    assert result.stderr.splitlines() == [
        "hello: created in namespace default",
        "hello: Pending: Unschedulable: no node",
        "hello: Running on node n1",
        "hello: Failed: Error",
    ]


def test_quiet_waiting_says_nothing(cluster: FakeCluster) -> None:
    script(cluster, RUNNING, over(0))
    result = cluster.run("run", "hello", "--wait", "-q", "--", "x")
    assert (result.exit_code, result.output) == (0, "")


def test_the_output_of_each_attempt_is_shown_once(cluster: FakeCluster) -> None:
    second = {**RUNNING, "podName": "hello-2", "podUID": "p2", "attempts": 2}
    script(cluster, RUNNING, {"phase": "Pending", "reason": "BackOff"}, second, over(0, podName="hello-2", podUID="p2"))
    result = cluster.run("run", "hello", "--wait", "--", "x")
    assert result.exit_code == 0
    assert [words[1] for words in cluster.called] == ["hello", "hello-2"]


def test_a_process_that_was_over_before_we_looked_is_shown(cluster: FakeCluster) -> None:
    script(cluster, over(0))
    result = cluster.run("run", "hello", "--wait", "--", "x")
    assert result.exit_code == 0
    assert len(cluster.called) == 1


def test_a_process_that_never_started_gives_125_and_the_cause(cluster: FakeCluster) -> None:
    script(cluster, {"phase": "Failed", "reason": "StartError", "message": "no program", "podName": "hello"})
    result = cluster.run("run", "hello", "--wait", "--", "x")
    assert result.exit_code == 125
    assert "error: task hello: Failed: StartError: no program\ntry: kubectl reaper describe hello\n" in result.stderr
    assert cluster.called == []


def test_out_of_time_is_124_and_the_task_goes_on(cluster: FakeCluster) -> None:
    result = cluster.run("run", "hello", "--wait", "--timeout", "30s", "--", "x")
    assert result.exit_code == 124
    assert "task hello is not over after 30 s: Pending: the operator has not seen it yet. It goes on" in result.stderr
    assert "no operator has looked at it yet" in result.stderr
    assert task_of(cluster)


def test_a_task_that_is_deleted_meanwhile_is_said(cluster: FakeCluster) -> None:
    cluster.script = [lambda: cluster.objects.clear()]
    result = cluster.run("run", "hello", "--wait", "--", "x")
    assert result.exit_code == 1
    assert "task hello was deleted meanwhile" in result.stderr


def test_rm_deletes_the_task_at_its_end(cluster: FakeCluster) -> None:
    script(cluster, RUNNING, over(4))
    result = cluster.run("run", "hello", "--wait", "--rm", "--", "x")
    assert result.exit_code == 4
    assert cluster.objects == {}


def test_rm_leaves_nothing_of_a_task_that_took_too_long_or_never_started(cluster: FakeCluster) -> None:
    result = cluster.run("run", "hello", "--wait", "--rm", "--timeout", "5s", "--", "x")
    assert result.exit_code == 124
    assert "task hello was not over in time; deleted, as --rm asks" in result.stderr
    assert cluster.objects == {}
    script(cluster, {"phase": "Failed", "reason": "StartError", "message": "no program"})
    result = cluster.run("run", "hello", "--wait", "--rm", "--", "x")
    assert result.exit_code == 125
    assert result.stderr.endswith("error: task hello: Failed: StartError: no program\n")
    assert cluster.objects == {}


def interrupted(words: tuple[str, ...]) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_leaves_the_task_at_work_and_says_how_to_come_back(cluster: FakeCluster) -> None:
    script(cluster, RUNNING)
    cluster.on_call = interrupted
    result = cluster.run("run", "hello", "--wait", "--", "x")
    assert result.exit_code == 130
    assert "hello goes on without you. Its output: kubectl reaper logs -f hello -n default" in result.stderr
    assert task_of(cluster)


def test_ctrl_c_with_rm_cancels(cluster: FakeCluster) -> None:
    script(cluster, RUNNING)
    cluster.on_call = interrupted
    result = cluster.run("run", "hello", "--wait", "--rm", "--", "x")
    assert result.exit_code == 130
    assert "cancelled and deleted" in result.stderr
    assert cluster.objects == {}


def test_a_terminal_is_attached_and_the_exit_code_waited_for(cluster: FakeCluster) -> None:
    script(cluster, RUNNING, over(7))
    result = cluster.run("run", "hello", "-it", "--", "/bin/sh")
    assert result.exit_code == 7
    assert task_of(cluster)["spec"] == {"command": ["/bin/sh"], "stdin": True, "terminal": True}
    assert cluster.called == [("attach", "hello", "--container=task", "--namespace=default", "--stdin", "--tty")]


def test_a_terminal_of_a_process_that_is_over_shows_what_it_wrote(cluster: FakeCluster) -> None:
    script(cluster, over(7))
    result = cluster.run("run", "hello", "-it", "--", "/bin/sh")
    assert result.exit_code == 7
    assert cluster.called == [("logs", "hello", "--container=task", "--namespace=default")]


def test_input_is_attached_and_the_output_comes_from_the_log(cluster: FakeCluster) -> None:
    script(cluster, RUNNING, over(0))
    result = cluster.run("run", "hello", "-i", "--", "wc")
    assert result.exit_code == 0
    assert sorted(words[0] for words in cluster.called) == ["attach", "logs"]


def test_a_file_is_run(cluster: FakeCluster, tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    path.write_text("kind: ConfigMap\n---\nkind: ReaperTask\nmetadata: {name: hello}\nspec: {command: [x]}\n")
    script(cluster, over(5))
    result = cluster.run("run", "-f", str(path), "--wait")
    assert result.exit_code == 5


@pytest.mark.parametrize(
    ("text", "flags", "sentence"),
    [
        ("kind: Pod\n", [], "has 0 ReaperTasks: run takes one"),
        ("a: [1\n", [], "line 2, column 1: "),
        ("kind: ReaperTask\nspec: {}\n", [], "the task has no metadata.name"),
        ("kind: ReaperTask\nmetadata: {name: a}\nspec: {}\n", ["-i"], "set spec.stdin: true, or leave out -i"),
    ],
)
def test_a_file_that_cannot_be_run_is_said(
    cluster: FakeCluster, tmp_path: Path, text: str, flags: list[str], sentence: str
) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(text)
    result = cluster.run("run", "-f", str(path), *flags)
    assert result.exit_code == 1
    assert sentence in result.stderr


def test_a_name_that_is_taken_is_the_api_servers_word(cluster: FakeCluster) -> None:
    cluster.add_task("hello")
    result = cluster.run("run", "hello", "--", "x")
    assert result.exit_code == AlreadyExists.exit_code
    assert 'error: reapertasks "hello" already exists' in result.stderr


def test_flags_for_the_cluster_stand_before_or_after_the_verb(cluster: FakeCluster) -> None:
    cluster.run("--context", "a", "-n", "one", "run", "hello", "-n", "two", "--as", "jane", "--", "x")
    assert (cluster.aimed.context, cluster.aimed.namespace, cluster.aimed.as_user) == ("a", "two", "jane")
    assert ("reapertasks", "two", "hello") in cluster.objects
