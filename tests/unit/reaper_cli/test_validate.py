"""reaper-validate as people and programs call it: on good, bad and unreadable files."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from reaper_api.ruleset.table import TABLE
from reaper_cli.validate import main

if TYPE_CHECKING:
    from reaper_api.ruleset.rule import Rule

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
HEAD = "apiVersion: reaper.io/v1alpha1\nkind: ReaperTask\nmetadata:\n  name: t\n"
TASK = HEAD + "spec:\n  command: [/bin/true]\n"
VALID = "✅ ReaperTask t is valid for Reaper runtime"
PLANS_TEXT = (
    "Reaper runtime does not use container images. Set 'image: placeholder' or leave it empty. "
    "The binary at '/usr/local/bin/my-binary' must exist on the host."
)
POD = """\
kind: Pod
metadata: {name: my-task}
spec:
  runtimeClassName: reaper-v2
  containers:
  - name: task
    image: busybox:1.36
    command: [/usr/local/bin/my-binary]
    resources:
      limits:
        memory: 64Mi
"""


def validate(tmp_path: Path, text: str, *flags: str) -> tuple[int, str]:
    path = tmp_path / "task.yaml"
    path.write_text(text)
    result = CliRunner().invoke(main, [*flags, str(path)])
    return result.exit_code, result.output.replace(f"{path}", "task.yaml")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    result = CliRunner().invoke(main, ["--fail-on", "warning", str(path)])
    assert result.exit_code == 0, result.output


def test_a_valid_task_is_said_to_be_valid(tmp_path: Path) -> None:
    assert validate(tmp_path, TASK) == (0, f"task.yaml: {VALID}\n")


def test_the_plans_example(tmp_path: Path) -> None:
    code, output = validate(tmp_path, POD)
    assert code == 0
    assert output.splitlines() == [
        "task.yaml:7:5: ⚠️  Warning: Field 'image: busybox:1.36' will be ignored (RPR001)",
        f"    {PLANS_TEXT}",
        "task.yaml:11:9: ⚠️  Warning: Field 'resources.limits.memory: 64Mi' will be ignored (RPR006)",
        "    Leave them out, or have them applied by the annotation reaper.runtime/cgroup: pod.",
        "task.yaml: ✅ Pod my-task is valid for Reaper runtime: 2 warnings; the chart's policy refuses RPR001",
    ]


@pytest.mark.parametrize(("flag", "code"), [("error", 0), ("warning", 1), ("never", 0)])
def test_what_warnings_mean_for_the_exit_code(tmp_path: Path, flag: str, code: int) -> None:
    assert validate(tmp_path, POD, "--fail-on", flag)[0] == code


@pytest.mark.parametrize(("flag", "code"), [("error", 1), ("warning", 1), ("never", 0)])
def test_what_errors_mean_for_the_exit_code(tmp_path: Path, flag: str, code: int) -> None:
    assert validate(tmp_path, TASK + "  image: busybox\n", "--fail-on", flag)[0] == code


def test_a_note_counts_nowhere(tmp_path: Path) -> None:
    pod = POD.replace("busybox:1.36", "placeholder\n    imagePullPolicy: Never").replace(
        "spec:", "spec:\n  hostname: web"
    )
    code, output = validate(tmp_path, pod, "--fail-on", "warning", "--ignore", "RPR006")
    assert code == 0
    assert "4:3: 💡 Note: Field 'hostname: web' will be ignored (RPR010)" in output
    assert output.endswith("✅ Pod my-task is valid for Reaper runtime: 1 note (1 ignored)\n")


@pytest.mark.parametrize("flags", [("RPR001,RPR006",), ("rpr001", "RPR006"), ("RPR001 RPR006",)])
def test_rules_that_are_ignored(tmp_path: Path, flags: tuple[str, ...]) -> None:
    words = [word for flag in flags for word in ("--ignore", flag)]
    code, output = validate(tmp_path, POD, "--fail-on", "warning", *words)
    assert (code, output) == (0, "task.yaml: ✅ Pod my-task is valid for Reaper runtime (2 ignored)\n")


def test_an_unknown_rule_to_ignore_is_wrong_usage(tmp_path: Path) -> None:
    code, output = validate(tmp_path, POD, "--ignore", "RPR999")
    assert code == 2
    assert "there is no rule RPR999: there are RPR001, RPR002, " in output


def test_without_a_file_it_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 2
    assert 'which manifests? Name files or directories, or "-" for standard input' in result.output


def test_a_field_that_would_be_dropped_is_named_with_its_place(tmp_path: Path) -> None:
    code, output = validate(tmp_path, TASK + "  image: busybox\n")
    assert code == 1
    assert output.startswith(
        "task.yaml:7:3: ❌ Error: spec.image does not exist and would be dropped; a ReaperTask has no "
    )
    assert output.endswith("task.yaml: ❌ ReaperTask t is not valid for Reaper runtime: 1 error\n")


def test_pods_of_other_runtimes_are_none_of_its_business(tmp_path: Path) -> None:
    other = POD.replace("runtimeClassName: reaper-v2", "runtimeClassName: gvisor")
    assert validate(tmp_path, other) == (
        0,
        "task.yaml: no object for Reaper in it; 1 with Pods of other runtimes: --all checks them\n",
    )
    assert validate(tmp_path, f"{other}---\n{TASK}") == (0, f"task.yaml: {VALID}\n")


@pytest.mark.parametrize("flags", [("--all",), ("--runtime-class", "gvisor"), ("--runtime-class", "a", "--all")])
def test_unless_somebody_asks(tmp_path: Path, flags: tuple[str, ...]) -> None:
    code, output = validate(tmp_path, POD.replace("reaper-v2", "gvisor"), *flags)
    assert code == 0
    assert "(RPR006)" in output


def test_what_is_not_yaml_is_said_with_its_place(tmp_path: Path) -> None:
    code, output = validate(tmp_path, "a: [1\nb: 2\n")
    assert code == 2
    assert output.startswith("task.yaml: line 2, column ")


def test_a_stream_that_breaks_off_is_unreadable_as_a_whole(tmp_path: Path) -> None:
    code, output = validate(tmp_path, TASK + "---\na: [1\n")
    assert code == 2
    assert VALID not in output


def test_a_missing_file_is_said_and_the_others_are_checked(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(TASK)
    result = CliRunner().invoke(main, ["/no/such/file.yaml", str(tmp_path / "good.yaml")])
    assert result.exit_code == 2
    assert "/no/such/file.yaml: No such file or directory\n" in result.output
    assert VALID in result.stdout


def test_standard_input() -> None:
    result = CliRunner().invoke(main, ["-"], input=TASK)
    assert (result.exit_code, result.output) == (0, f"-: {VALID}\n")


def test_a_directory_with_all_below_it(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "below/c.json", ".hidden/d.yaml", "e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(TASK if name != "below/c.json" else json.dumps({"kind": "ReaperTask"}))
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 1
    files = [line.partition(":")[0].removeprefix(f"{tmp_path}/") for line in result.stdout.splitlines()]
    assert list(dict.fromkeys(files)) == ["a.yaml", "b.yml", "below/c.json"]
    assert result.stderr == "3 objects: 3 errors\n"


def test_of_a_directory_only_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "link.yaml").symlink_to("task.yaml")
    (tmp_path / "broken.yaml").symlink_to("nowhere")
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 2
    assert result.stdout.count(VALID) == 2
    assert result.stderr.startswith(f"{tmp_path}/broken.yaml: No such file or directory\n")


def test_templates_of_a_chart_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "chart" / "templates").mkdir(parents=True)
    (tmp_path / "chart" / "Chart.yaml").write_text("name: mine\n")
    (tmp_path / "chart" / "templates" / "pod.yaml").write_text("{{ if .Values.pod }}\n")
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 0
    assert "chart/templates: passed over, templates of a Helm chart are no YAML yet: use helm template" in result.stderr


def test_a_directory_without_manifests(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 0
    assert f"{tmp_path}: there is no file that ends with .yaml, .yml, .json in it\n" in result.output


def test_json(tmp_path: Path) -> None:
    code, output = validate(tmp_path, POD, "--format", "json")
    assert code == 0
    assert json.loads(output)["summary"] == {"errors": 0, "warnings": 2, "infos": 0}


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_data_goes_to_standard_output_and_talk_to_standard_error(form: str) -> None:
    result = CliRunner().invoke(main, ["--format", form, "/no/such/file.yaml"])
    assert result.exit_code == 2
    assert "/no/such/file.yaml" in json.dumps(json.loads(result.stdout))
    assert result.stderr == "/no/such/file.yaml: No such file or directory\n"


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.id)
def test_every_rule_is_explained(rule: Rule) -> None:
    result = CliRunner().invoke(main, ["--explain", rule.id.lower()])
    assert result.exit_code == 0
    assert rule.message in result.output
    assert rule.link in result.output


def test_a_rule_that_there_is_not_is_not_explained() -> None:
    result = CliRunner().invoke(main, ["--explain", "RPR1"])
    assert result.exit_code == 2
    assert "there is no rule RPR1" in result.output


def test_the_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.output.startswith("reaper-validate, version ")


@pytest.mark.parametrize("example", ["pod.yaml", "hello.yaml", "env.yaml", "user.yaml"])
def test_a_pod_and_a_plain_task_are_checked_without_the_models(example: str) -> None:
    """They take longer than all the rest: it has to answer within 300 ms."""
    code = (
        "import sys; from reaper_cli.validate import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'pydantic', 'kubernetes', 'json', 'importlib.metadata', 'subprocess'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    file = ROOT / "examples" / example
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", ["pod.yaml", "hello.yaml"])
def test_the_answer_is_there_within_300_ms(example: str) -> None:
    """Of a processor's time: the best of five, since the machine may have other work."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    command = [sys.executable, "-c", "from reaper_cli.validate import main; main()", str(ROOT / "examples" / example)]
    times = []
    for _ in range(5):
        before = spent()
        subprocess.run(command, capture_output=True, check=True)
        times.append(spent() - before)
    assert min(times) < 0.3, times


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param(
            HEAD + "spec:\n  command: [./x]\n",
            ["6:3: ❌ Error: spec.command: command[0] is an absolute path such as /usr/bin/env, or a bare name"],
            id="a sentence with a semicolon is one",
        ),
        pytest.param(
            TASK.replace("metadata:\n  name: t\n", "metadata: hello\n"),
            ["3:1: ❌ Error: metadata must be a mapping with a name in it"],
            id="metadata is text",
        ),
        pytest.param(
            TASK.replace("  name: t\n", "  labels: {}\n"), ["3:1: ❌ Error: metadata.name is missing"], id="no name"
        ),
        pytest.param(
            TASK.replace("name: t", "name: My_Task"),
            ["4:3: ❌ Error: metadata.name: 'My_Task' is no name of an object"],
            id="a wrong name",
        ),
        pytest.param(
            TASK.replace("name: t", "name: yes"), ["4:3: ❌ Error: metadata.name: True is no"], id="name: yes"
        ),
        pytest.param(
            TASK.replace("reaper.io/v1alpha1", "reaper.io/v9"),
            ["1:1: ❌ Error: apiVersion must be reaper.io/v1alpha1"],
            id="a wrong version",
        ),
        pytest.param(
            TASK + "  user:\n    uid: -1\n    gid: 0\n",
            ["8:5: ❌ Error: spec.user.uid: must be at least 0"],
            id="a wrong number",
        ),
        pytest.param(
            TASK + "  env:\n  - name: A\n    values: b\n",
            ["9:5: ❌ Error: spec.env[0].values does not exist and would be dropped; is it value?"],
            id="a wrong name in a list",
        ),
        pytest.param(
            TASK.replace("spec:", "restartPolicy: Never\nspec:"),
            [
                "5:1: ❌ Error: restartPolicy does not exist here and would be dropped; write it below spec: ",
            ],
            id="misplaced",
        ),
        pytest.param(
            TASK.replace("name: t", "name: t\n  annotations: {reaper.runtime/dns-mode: host, note: x}"),
            ["5:17: ⚠️  Warning: reaper.runtime/dns-mode has no effect on a ReaperTask: write spec.dnsMode"],
            id="an annotation of Pods",
        ),
        pytest.param(
            TASK + "  env: [{name: A, value: on}, {name: A, value: 2026-11-24}]\n",
            [
                "7:19: ❌ Error: spec.env[0].value: must be text. It is read",
                "7:32: ❌ Error: spec.env[1]: A is there already",
            ],
            id="booleans of kubectl, a variable twice, and a date, which is text",
        ),
        pytest.param(
            "kind: List\nitems:\n- apiVersion: reaper.io/v1alpha1\n  kind: ReaperTask\n"
            "  metadata: {name: t}\n  spec: {}\n",
            ["6:3: ❌ Error: spec.command: Required value"],
            id="in a List",
        ),
        pytest.param(
            "kind: Pod\nspec:\n  runtimeClassName: reaper-v2\n  containers: hello\n",
            ["4:3: ❌ Error: spec.containers must be a list of at least one container"],
            id="a Pod of a wrong shape",
        ),
        pytest.param(
            "kind: Pod\nspec:\n  runtimeClassName: reaper-v2\n  containers: [5, {command: sleep 1}]\n",
            [
                "4:16: ❌ Error: spec.containers[0] must be a mapping, not 5",
                "    Correct it",
                "4:20: ❌ Error: Container null has no command",
                "    Write command",
                "4:20: ❌ Error: command must be a list such as [sleep 1]",
            ],
            id="containers of a wrong shape",
        ),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, lines: list[str]) -> None:
    code, output = validate(tmp_path, text, "--fail-on", "warning")
    assert code == 1, output
    *found, verdict = [line.removeprefix("task.yaml:") for line in output.splitlines()]
    for line, beginning in zip(found, lines, strict=False):
        assert line.startswith(beginning), output
    assert len([line for line in found if not line.startswith("    ")]) == len([ln for ln in lines if ln[0] != " "])
    assert ("is not valid for Reaper runtime" in verdict) == ("Error" in output)
