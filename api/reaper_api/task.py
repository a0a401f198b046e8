"""The ReaperTask: the one source of its CRD, of what the operator accepts, and of `kubectl explain`."""

import re
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationError

from reaper_api.rules import ApiModel, Rule
from reaper_api.status import TaskStatus
from reaper_api.vocabulary import API_VERSION, FINAL_PHASES, KIND, RestartPolicy

# The kernel refuses one argument or one NAME=value above 128 KiB; a character takes up to four bytes.
MAX_ARGUMENT = 32767
MAX_ENV_VALUE = 32000
MAX_PATH = 4095
MAX_ID = 2147483647  # what Kubernetes accepts as a uid or gid

_ENV_NAME = "^[-._a-zA-Z][-._a-zA-Z0-9]*$"
_LABEL_KEY = "^([a-z0-9.-]+/)?[A-Za-z0-9][A-Za-z0-9_.-]*$"
_LABEL_VALUE = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"

ATOMIC = {"x-kubernetes-list-type": "atomic"}
INT64 = {"format": "int64"}

LabelValue = Annotated[str, Field(max_length=63, pattern=_LABEL_VALUE)]
NoNul = Annotated[str, Field(pattern="^[^\\x00]*$")]
Argument = Annotated[NoNul, Field(max_length=MAX_ARGUMENT)]
Flag = Annotated[bool, Field(strict=True)]
Id = Annotated[int, Field(strict=True, ge=0, le=MAX_ID, json_schema_extra=INT64)]


class InvalidTask(ValueError):
    """A ReaperTask that makes no sense. The text names each field and says what is wrong with it."""


class EnvVar(ApiModel):
    """One environment variable."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """Name: letters, digits, '_', '-' or '.', not starting with a digit."""

    value: Annotated[NoNul, Field(max_length=MAX_ENV_VALUE)] = ""
    """Value. $(NAME) becomes the value of a variable declared above it; write $$(NAME) to keep it as it
    is."""

    RULES: ClassVar = (
        Rule(
            cel=f"self.name.matches('{_ENV_NAME}')",
            message="the name of an environment variable has letters, digits, '_', '-' and '.' only and does not start "
            "with a digit: write for example MY_VARIABLE",
            holds=lambda env: re.search(_ENV_NAME, env.name) is not None,
            field=".name",
        ),
    )


class User(ApiModel):
    """Who the process runs as, by the numbers of the node's own users and groups."""

    uid: Id
    """User id on the node."""

    gid: Id
    """Group id on the node."""


class Toleration(ApiModel):
    """Lets the task run on nodes with a matching taint; the same as in a Pod."""

    key: Annotated[str, Field(max_length=316)] | None = None
    """Taint key. Empty, with operator Exists: every taint."""

    operator: Literal["Exists", "Equal"] = "Equal"
    """Exists: any value of the taint. Equal: the value below."""

    value: Annotated[str, Field(max_length=63)] | None = None
    """Taint value, for operator Equal."""

    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Taint effect. Absent: every effect."""

    toleration_seconds: Annotated[int, Field(strict=True, json_schema_extra=INT64)] | None = None
    """Seconds that a NoExecute taint is tolerated. Absent: for ever."""

    RULES: ClassVar = (
        Rule(
            cel="self.operator != 'Exists' || !has(self.value) || self.value == ''",
            message="a toleration with operator Exists has no value: leave value out, or use operator Equal",
            holds=lambda t: t.operator != "Exists" or not t.value,
            field=".value",
        ),
        Rule(
            cel="self.operator == 'Exists' || (has(self.key) && self.key != '')",
            message="a toleration without a key tolerates every taint: set operator Exists, or name the key",
            holds=lambda t: t.operator == "Exists" or bool(t.key),
            field=".key",
        ),
        Rule(
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            message="tolerationSeconds works with effect NoExecute only: set that effect, or leave the seconds out",
            holds=lambda t: t.toleration_seconds is None or t.effect == "NoExecute",
            field=".tolerationSeconds",
        ),
        Rule(
            cel=f"!has(self.key) || self.key == '' || self.key.matches('{_LABEL_KEY}')",
            message="the key of a toleration is written as name or prefix/name, such as example.com/dedicated",
            holds=lambda t: not t.key or re.search(_LABEL_KEY, t.key) is not None,
            field=".key",
        ),
    )


class TaskSpec(ApiModel):
    """What to run on a node, and how. It cannot be changed afterwards."""

    restart_policy: RestartPolicy = RestartPolicy.NEVER
    """What happens when the process ends. Never: the task is over. OnFailure: the node starts the process
    again until it ends with 0. Always: the node starts it again, so the task never finishes. The node
    waits 10 s before a restart, then 20 s, up to 5 minutes, in the same Pod, and knows no limit but
    activeDeadlineSeconds."""

    command: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=64, json_schema_extra=ATOMIC)]
    """Program and its first arguments; no shell is involved. The program is a file of the node: an
    absolute path, or a bare name that is looked up in PATH. $(NAME) becomes the value of a variable of
    env; write $$(NAME) to keep it."""

    args: Annotated[tuple[Argument, ...], Field(max_length=512, json_schema_extra=ATOMIC)] = ()
    """Arguments after those of command, with the same $(NAME) references."""

    env: Annotated[
        tuple[EnvVar, ...],
        Field(
            max_length=256, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = ()
    """Environment variables. The node's own environment is not inherited."""

    working_dir: Annotated[NoNul, Field(min_length=1, max_length=MAX_PATH)] | None = None
    """Directory of the node that the process starts in: an absolute path. Absent: /."""

    user: User | None = None
    """Who the process runs as. Absent: root."""

    terminal: Flag = False
    """Give the process a terminal (PTY); stdout and stderr are then one stream."""

    stdin: Flag = False
    """Keep the standard input open for kubectl attach -i; it ends when the first client that attached goes
    away. False: the process reads an immediate end of file."""

    stdout: Flag = True
    """Collect the standard output for kubectl logs. False: it is discarded."""

    stderr: Flag = True
    """Collect the standard error for kubectl logs. False: it is discarded."""

    node_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Run on this node only. Taints, cordons and nodeSelector still count: where they forbid it, the task
    is Pending and says why."""

    node_selector: Annotated[
        dict[str, LabelValue], Field(max_length=16, json_schema_extra={"x-kubernetes-map-type": "atomic"})
    ] = Field(default_factory=dict)
    """Run only on nodes that have all these labels."""

    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32, json_schema_extra=ATOMIC)] = ()
    """Node taints that the task tolerates."""

    termination_grace_period_seconds: Annotated[int, Field(strict=True, ge=0, le=MAX_ID, json_schema_extra=INT64)] = 30
    """Seconds between SIGTERM and SIGKILL when the task is deleted or its deadline has passed."""

    active_deadline_seconds: Annotated[int, Field(strict=True, ge=1, le=MAX_ID, json_schema_extra=INT64)] | None = None
    """Seconds from the moment the node accepts the task until it is stopped and Failed with reason
    DeadlineExceeded, restarts included. Absent: no limit."""

    RULES: ClassVar = (
        Rule(
            cel="self == oldSelf",
            message="spec cannot be changed: delete the task and create it anew, as kubectl replace --force does",
        ),
        Rule(
            cel="self.command.size() == 0 || self.command[0].startsWith('/') || !self.command[0].contains('/')",
            message="command[0] is an absolute path such as /usr/bin/env, or a bare name such as env that is looked "
            "up in PATH on the node; it is not relative to workingDir",
            holds=lambda s: s.command[0].startswith("/") or "/" not in s.command[0],
            field=".command",
        ),
        Rule(
            cel="self.command.size() == 0 || (self.command[0] != '' && !self.command[0].endsWith('/'))",
            message="command[0] names the program to run: it is neither empty nor a directory",
            holds=lambda s: s.command[0] != "" and not s.command[0].endswith("/"),
            field=".command",
        ),
        Rule(
            cel="!has(self.workingDir) || self.workingDir.startsWith('/')",
            message="workingDir is an absolute path on the node, such as /var/lib/my-app",
            holds=lambda s: s.working_dir is None or s.working_dir.startswith("/"),
            field=".workingDir",
        ),
        Rule(
            cel="!self.terminal || (self.stdout && self.stderr)",
            message="a terminal carries stdout and stderr as one stream: with terminal true, leave both true",
            holds=lambda s: not s.terminal or (s.stdout and s.stderr),
            field=".terminal",
        ),
        Rule(
            cel="!has(self.nodeName) || self.nodeName.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
            message="nodeName is the name of one node, as kubectl get nodes shows it",
            holds=lambda s: (
                s.node_name is None or re.search("^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", s.node_name) is not None
            ),
            field=".nodeName",
        ),
        Rule(
            cel=f"!has(self.nodeSelector) || self.nodeSelector.all(k, k.matches('{_LABEL_KEY}'))",
            message="a key of nodeSelector is a label of nodes, written as name or prefix/name, as kubectl get nodes "
            "--show-labels shows it",
            holds=lambda s: all(re.search(_LABEL_KEY, key) for key in s.node_selector),
            field=".nodeSelector",
        ),
    )


class Metadata(ApiModel):
    """The part of Kubernetes' object metadata that Reaper reads."""

    name: str
    namespace: str
    uid: str
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: datetime | None = None


class TaskHead(ApiModel):
    """What can be read of a task even where its spec makes no sense."""

    metadata: Metadata
    status: TaskStatus = TaskStatus()


_FINAL = ", ".join(f"'{phase}'" for phase in sorted(FINAL_PHASES))


class ReaperTask(TaskHead):
    """A process on a node, run once: kubectl apply starts it, its logs and exit code come back."""

    spec: TaskSpec

    RULES: ClassVar = (
        Rule(
            cel="!has(oldSelf.status) || !has(oldSelf.status.podUID) || (has(self.status) && has(self.status.podUID) "
            "&& self.status.podUID == oldSelf.status.podUID)",
            message="status.podUID is recorded once, so that a task never runs twice",
        ),
        Rule(
            cel=f"!has(oldSelf.status) || !has(oldSelf.status.phase) || !(oldSelf.status.phase in [{_FINAL}]) || "
            "(has(self.status) && has(self.status.phase) && self.status.phase == oldSelf.status.phase)",
            message="a finished task never changes its phase: create a new task to run it again",
        ),
    )

    @classmethod
    def parse(cls, body: object) -> Self:
        """Read what the API server returned. Raises InvalidTask with one line that names each wrong field."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise InvalidTask("; ".join(_explain(e["loc"], e["msg"]) for e in error.errors())) from error

    @property
    def owner_reference(self) -> dict[str, object]:
        """The controller reference that makes an object go away with the task."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.metadata.name,
            "uid": self.metadata.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def _explain(location: tuple[int | str, ...], message: str) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    return f"{path or KIND}: {message.removeprefix('Value error, ')}"
