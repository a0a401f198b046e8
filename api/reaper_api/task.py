"""The ReaperTask: the one source of its CRD, of what the operator accepts, and of `kubectl explain`."""

from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import Field, ValidationError

from reaper_api.environment import EnvFromSource, EnvVar
from reaper_api.fields import (
    ATOMIC,
    NAMED,
    SET,
    Flag,
    Id,
    NoNul,
    ObjectName,
    Path,
    Seconds,
    ShortName,
    label_keys,
    label_values,
    matches,
    of_field,
)
from reaper_api.lifecycle import MUTABLE, Lifecycle
from reaper_api.names import DNS_LABEL, NAME
from reaper_api.problems import problems_of
from reaper_api.rules import ApiModel, Rule
from reaper_api.scheduling import Affinity, Labels, Toleration
from reaper_api.status import TaskStatus
from reaper_api.vocabulary import API_VERSION, KIND, DnsMode, RestartPolicy
from reaper_api.volumes import MAX_VOLUMES, Volume, mounted_once

MAX_ARGUMENT = 32767  # the kernel refuses one argument above 128 KiB; a character takes up to four bytes

Argument = Annotated[NoNul, Field(max_length=MAX_ARGUMENT)]


class InvalidTask(ValueError):
    """A ReaperTask that makes no sense. Each problem begins with the path of its field; the text is all of them."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class User(ApiModel):
    """Who the process runs as, by the numbers of the node's own users and groups."""

    uid: Id
    """User id on the node."""

    gid: Id
    """Group id on the node."""

    supplemental_groups: Annotated[tuple[Id, ...], Field(max_length=64, json_schema_extra=SET)] = ()
    """Further group ids on the node."""


class Overlay(ApiModel):
    """Whose changes to the node's files the process sees."""

    name: ShortName
    """Name of an overlay of the namespace on each node: processes of the same name share their changes,
    others do not see them. It is made when it is first used, and stays until the node reboots."""

    RULES: ClassVar = (
        matches("name", DNS_LABEL, "the name of an overlay has lower case letters, digits and '-', such as build-7"),
    )


class TaskSpec(Lifecycle):
    """What to run on a node, and how. Only suspend, ttlSecondsAfterFinished and activeDeadlineSeconds can be
    changed afterwards."""

    restart_policy: RestartPolicy = RestartPolicy.NEVER
    """What the node does when the process ends. Never: the attempt is over. OnFailure: the node starts the
    process again until it ends with 0. Always: the node starts it again, so the task never finishes. The node
    waits 10 s before a restart, then 20 s, up to 5 minutes, in the same Pod, and knows no limit but
    activeDeadlineSeconds. backoffLimit counts attempts, not these restarts."""

    command: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=64, json_schema_extra=ATOMIC)]
    """Program and its first arguments; no shell is involved. The program is a file of the node: an
    absolute path, or a bare name that is looked up in PATH. $(NAME) becomes the value of a variable of
    env; write $$(NAME) to keep it."""

    args: Annotated[tuple[Argument, ...], Field(max_length=512, json_schema_extra=ATOMIC)] = ()
    """Arguments after those of command, with the same $(NAME) references."""

    env: Annotated[tuple[EnvVar, ...], Field(max_length=256, json_schema_extra=NAMED)] = ()
    """Environment variables. The node's own environment is not inherited."""

    env_from: Annotated[tuple[EnvFromSource, ...], Field(max_length=32, json_schema_extra=ATOMIC)] = ()
    """Secrets and ConfigMaps whose entries become variables. A later one wins, and env wins over all."""

    working_dir: Path | None = None
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

    volumes: Annotated[tuple[Volume, ...], Field(max_length=MAX_VOLUMES, json_schema_extra=NAMED)] = ()
    """What is mounted for this process alone: files of the node, Secrets, ConfigMaps, empty directories."""

    overlay: Overlay | None = None
    """Another overlay of the node's files than the one that all processes of the namespace share."""

    dns_mode: DnsMode | None = None
    """Whose resolver the process uses. host: the node's /etc/resolv.conf. kubernetes: the cluster's DNS, which
    knows Services. Absent: as the node is configured, which is host unless its administrator chose otherwise."""

    node_name: ObjectName | None = None
    """Run on this node only. Taints, cordons and nodeSelector still count: where they forbid it, the task
    is Pending and says why."""

    node_selector: Labels = Field(default_factory=dict)
    """Run only on nodes that have all these labels."""

    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32, json_schema_extra=ATOMIC)] = ()
    """Node taints that the task tolerates."""

    affinity: Affinity | None = None
    """Which nodes the scheduler takes or prefers, beyond nodeName and nodeSelector."""

    priority_class_name: ObjectName | None = None
    """PriorityClass of the task: what may push out whom where there is no room. Absent: the cluster's default."""

    service_account_name: ObjectName | None = None
    """Service account of the task's namespace whose token the process finds in
    /var/run/secrets/kubernetes.io/serviceaccount. Absent: no token."""

    termination_grace_period_seconds: Seconds = 30
    """Seconds between SIGTERM and SIGKILL when the process is stopped: the task is deleted or suspended, or
    its deadline has passed. 0 counts as 1: a Pod without a grace period would be gone before its process is."""

    MUTABLE: ClassVar = MUTABLE
    RULES: ClassVar = (
        of_field(
            "command",
            "self.size() == 0 || self[0].startsWith('/') || !self[0].contains('/')",
            lambda command: command[0].startswith("/") or "/" not in command[0],
            "command[0] is an absolute path such as /usr/bin/env, or a bare name such as env that is looked "
            "up in PATH on the node; it is not relative to workingDir",
        ),
        of_field(
            "command",
            "self.size() == 0 || (self[0] != '' && !self[0].endsWith('/'))",
            lambda command: command[0] != "" and not command[0].endswith("/"),
            "command[0] names the program to run: it is neither empty nor a directory",
        ),
        of_field(
            "workingDir",
            "self.startsWith('/')",
            lambda path: path.startswith("/"),
            "workingDir is an absolute path on the node, such as /var/lib/my-app",
        ),
        Rule(
            cel="!self.terminal || (self.stdout && self.stderr)",
            message="a terminal carries stdout and stderr as one stream: with terminal true, leave both true",
            holds=lambda s: not s.terminal or (s.stdout and s.stderr),
            field=".terminal",
        ),
        matches("nodeName", NAME, "nodeName is the name of one node, as kubectl get nodes shows it"),
        label_keys(
            "nodeSelector",
            "a key of nodeSelector is a label of nodes, written as name or prefix/name, as kubectl get nodes "
            "--show-labels shows it",
        ),
        label_values("nodeSelector", of="mapping"),
        mounted_once("volumes"),
        matches(
            "priorityClassName",
            NAME,
            "priorityClassName is the name of a PriorityClass, as kubectl get priorityclasses shows it",
        ),
        matches(
            "serviceAccountName",
            NAME,
            "serviceAccountName is the name of a service account of the task's namespace, as kubectl get "
            "serviceaccounts shows it",
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
    finalizers: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class TaskHead(ApiModel):
    """What can be read of a task even where the rest of its spec makes no sense."""

    metadata: Metadata
    spec: Lifecycle = Field(default_factory=Lifecycle)
    status: TaskStatus = Field(default_factory=TaskStatus)


class ReaperTask(TaskHead):
    """A process on a node, run once: kubectl apply starts it, its logs and exit code come back."""

    spec: TaskSpec

    @classmethod
    def parse(cls, body: object) -> Self:
        """Read what the API server returned. Raises InvalidTask with one line that names each wrong field."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise InvalidTask(problems_of(error, KIND)) from error

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
