"""Good and bad specs, with what a user reads about the bad ones. Unit tests try the models with them, integration tests
a real API server."""

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]

GOOD: dict[str, Spec] = {
    "least": {"command": ["true"]},
    "the plan's example": {
        "restartPolicy": "Never",
        "command": ["/usr/local/bin/my-binary"],
        "args": ["--flag", "value"],
        "env": [{"name": "VAR1", "value": "value1"}],
        "workingDir": "/var/app",
        "user": {"uid": 1000, "gid": 1000},
        "terminal": False,
        "stdin": False,
        "stdout": True,
        "stderr": True,
    },
    "everything": {
        "restartPolicy": "OnFailure",
        "command": ["/bin/sh", "-c"],
        "args": ["echo $(GREETING)\n", "", "ü"],
        "env": [{"name": "GREETING", "value": "hello"}, {"name": "my.var-1"}],
        "workingDir": "/",
        "user": {"uid": 0, "gid": 2147483647},
        "stdin": True,
        "stdout": False,
        "stderr": False,
        "nodeName": "node-1.example.com",
        "nodeSelector": {"kubernetes.io/arch": "amd64", "disk": ""},
        "tolerations": [
            {"operator": "Exists"},
            {"key": "example.com/gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
            {"key": "slow", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
        ],
        "terminationGracePeriodSeconds": 0,
        "activeDeadlineSeconds": 3600,
    },
    "terminal": {"command": ["bash"], "terminal": True, "stdin": True},
}


@dataclass(frozen=True)
class Bad:
    """A spec that is refused."""

    id: str
    spec: Spec
    message: str
    """Part of the API server's answer."""
    rule: bool = False
    """By one of our rules, so that the models say it in the same words."""
    only_by_server: bool = False
    """The models do not look at it: unknown fields and duplicate keys never reach the operator."""


def _bad(name: str, message: str, *, rule: bool = False, only_by_server: bool = False, **spec: Any) -> Bad:
    return Bad(name, {"command": ["/bin/true"], **spec}, message, rule, only_by_server)


_COMMAND_PATH = (
    "command[0] is an absolute path such as /usr/bin/env, or a bare name such as env that is looked up in PATH on the "
    "node; it is not relative to workingDir"
)
_COMMAND_NAME = "command[0] names the program to run: it is neither empty nor a directory"
_ENV_NAME = (
    "the name of an environment variable has letters, digits, '_', '-' and '.' only and does not start with a digit: "
    "write for example MY_VARIABLE"
)
_TERMINAL = "a terminal carries stdout and stderr as one stream: with terminal true, leave both true"
_NODE_NAME = "nodeName is the name of one node, as kubectl get nodes shows it"
_SELECTOR = (
    "a key of nodeSelector is a label of nodes, written as name or prefix/name, as kubectl get nodes --show-labels "
    "shows it"
)

BAD = [
    Bad("no command", {}, "spec.command: Required value"),
    _bad("empty command", "spec.command in body should have at least 1 items", command=[]),
    _bad("command is text", 'spec.command: Invalid value: "string"', command="/bin/true"),
    _bad("command of numbers", 'spec.command[0]: Invalid value: "integer"', command=[1]),
    _bad("relative path", _COMMAND_PATH, rule=True, command=["bin/true"]),
    _bad("relative to the working directory", _COMMAND_PATH, rule=True, command=["./run.sh"], workingDir="/opt"),
    _bad("no program", _COMMAND_NAME, rule=True, command=[""]),
    _bad("a directory", _COMMAND_NAME, rule=True, command=["/usr/bin/"]),
    _bad("NUL in an argument", "spec.args[0] in body should match '^[^\\x00]*$'", args=["a\0b"]),
    _bad(
        "argument longer than the kernel takes",
        "spec.args[0]: Too long: may not be more than 32767 bytes",
        args=["x" * 32768],
    ),
    _bad("too many arguments", "spec.args: Too many: 513: must have at most 512 items", args=["x"] * 513),
    _bad("unknown restartPolicy", 'supported values: "Never", "OnFailure", "Always"', restartPolicy="Sometimes"),
    _bad("environment as a map", 'unknown field "spec.env.A"', env={"A": "b"}),
    _bad("environment name with a space", _ENV_NAME, rule=True, env=[{"name": "MY VAR", "value": "x"}]),
    _bad("environment name with =", _ENV_NAME, rule=True, env=[{"name": "A=B", "value": "x"}]),
    _bad("environment name that starts with a digit", _ENV_NAME, rule=True, env=[{"name": "1A"}]),
    _bad("environment without a name", "spec.env[0].name: Required value", env=[{"value": "x"}]),
    _bad(
        "environment value is a number", 'spec.env[0].value: Invalid value: "integer"', env=[{"name": "A", "value": 1}]
    ),
    _bad("one variable twice", "spec.env[1]: Duplicate value", only_by_server=True, env=[{"name": "A"}, {"name": "A"}]),
    _bad(
        "relative working directory",
        "workingDir is an absolute path on the node, such as /var/lib/my-app",
        rule=True,
        workingDir="var",
    ),
    _bad("empty working directory", "spec.workingDir in body should be at least 1 chars long", workingDir=""),
    _bad("user by name", 'spec.user: Invalid value: "string"', user="root"),
    _bad("user without a group", "spec.user.gid: Required value", user={"uid": 1000}),
    _bad("group without a user", "spec.user.uid: Required value", user={"gid": 1000}),
    _bad("negative uid", "spec.user.uid in body should be greater than or equal to 0", user={"uid": -1, "gid": 0}),
    _bad(
        "uid beyond Kubernetes",
        "spec.user.uid in body should be less than or equal to 2147483647",
        user={"uid": 2**31, "gid": 0},
    ),
    _bad("terminal without stderr", _TERMINAL, rule=True, terminal=True, stderr=False),
    _bad("terminal without stdout", _TERMINAL, rule=True, terminal=True, stdout=False),
    _bad("stdout is text", 'spec.stdout: Invalid value: "string"', stdout="no"),
    _bad("two nodes", _NODE_NAME, rule=True, nodeName="node-1,node-2"),
    _bad("empty node name", "spec.nodeName in body should be at least 1 chars long", nodeName=""),
    _bad("selector key with a space", _SELECTOR, rule=True, nodeSelector={"my disk": "ssd"}),
    _bad(
        "selector value with a space", "spec.nodeSelector.disk in body should match", nodeSelector={"disk": "very fast"}
    ),
    _bad(
        "selector value that is too long",
        "spec.nodeSelector.disk: Too long: may not be more than 63 bytes",
        nodeSelector={"disk": "x" * 64},
    ),
    _bad(
        "toleration Exists with a value",
        "a toleration with operator Exists has no value: leave value out, or use operator Equal",
        rule=True,
        tolerations=[{"key": "a", "operator": "Exists", "value": "b"}],
    ),
    _bad(
        "toleration of nothing",
        "a toleration without a key tolerates every taint: set operator Exists, or name the key",
        rule=True,
        tolerations=[{"value": "b"}],
    ),
    _bad(
        "toleration seconds without NoExecute",
        "tolerationSeconds works with effect NoExecute only: set that effect, or leave the seconds out",
        rule=True,
        tolerations=[{"key": "a", "operator": "Exists", "tolerationSeconds": 5}],
    ),
    _bad(
        "toleration key with a space",
        "the key of a toleration is written as name or prefix/name, such as example.com/dedicated",
        rule=True,
        tolerations=[{"key": "a b", "operator": "Exists"}],
    ),
    _bad(
        "unknown toleration effect",
        'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
        tolerations=[{"operator": "Exists", "effect": "Never"}],
    ),
    _bad(
        "no time to end",
        "spec.terminationGracePeriodSeconds in body should be greater than or equal to 0",
        terminationGracePeriodSeconds=-1,
    ),
    _bad(
        "a deadline that has passed",
        "spec.activeDeadlineSeconds in body should be greater than or equal to 1",
        activeDeadlineSeconds=0,
    ),
    _bad("an image", 'unknown field "spec.image"', only_by_server=True, image="busybox"),
    _bad("limits", 'unknown field "spec.resources"', only_by_server=True, resources={"limits": {"cpu": "1"}}),
    _bad("a misspelled field", 'unknown field "spec.workdir"', only_by_server=True, workdir="/opt"),
    _bad(
        "a user's name", 'unknown field "spec.user.name"', only_by_server=True, user={"uid": 1, "gid": 1, "name": "me"}
    ),
]
