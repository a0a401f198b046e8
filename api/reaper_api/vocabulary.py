"""Every name that Reaper puts into the Kubernetes API, once.

No other module spells out the group, a label, an annotation, a phase, a condition type or a reason: a test
greps for it.
"""

from enum import StrEnum

GROUP = "reaper.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ReaperTask"
PLURAL = "reapertasks"
SINGULAR = "reapertask"
SHORT_NAME = "rt"
CATEGORY = "reaper"

RUNTIME_CLASS = "reaper-v2"
CONTAINER = "task"  # the one container of a task's Pod
PLACEHOLDER_IMAGE = "placeholder"  # kubelet wants an image; the runtime ignores it
MANAGER = "reaper-operator"
LAST_OUTPUT = ". The end of its output:\n"  # in a status message, between the sentence and what the process said last

LABEL_TASK = "reaper.io/task"  # the task's name, shortened where it is longer than a label value may be
LABEL_TASK_UID = "reaper.io/task-uid"
LABEL_ATTEMPT = "reaper.io/attempt"  # counts from 1
TASK_LABELS = frozenset({LABEL_TASK, LABEL_TASK_UID, LABEL_ATTEMPT})
LABEL_RUNTIME = "reaper.io/runtime"  # of a node: `ready`, where it can run reaper Pods
LABEL_APP_NAME = "app.kubernetes.io/name"
LABEL_APP_INSTANCE = "app.kubernetes.io/instance"
LABEL_APP_MANAGED_BY = "app.kubernetes.io/managed-by"
APP_NAME = "reaper-task"

# Ends of the prefixes of labels and annotations that stay with the task: they say which tool made it, or are read where
# they stand. Everything else a user writes on a task follows to its Pods.
NOT_FOLLOWING = (
    ".reaper.io",
    ".reaper.runtime",
    ".kubectl.kubernetes.io",
    ".helm.sh",
    ".argocd.argoproj.io",
    ".toolkit.fluxcd.io",
    ".kueue.x-k8s.io",
)

# What the runtime on the node reads, on Pods. A stream that is not wanted has the value DISCARD.
RUNTIME_PREFIX = "reaper.runtime"
ANNOTATION_STDOUT = f"{RUNTIME_PREFIX}/stdout"
ANNOTATION_STDERR = f"{RUNTIME_PREFIX}/stderr"
DISCARD = "discard"
ANNOTATION_OVERLAY = f"{RUNTIME_PREFIX}/overlay-name"
ANNOTATION_DNS = f"{RUNTIME_PREFIX}/dns-mode"
ANNOTATION_TASK = f"{RUNTIME_PREFIX}/task"  # the name of the task, for the node agent

# What the plugin notes on a task.
ANNOTATION_CANCELLED = "reaper.io/cancelled"  # when somebody asked for its end
ANNOTATION_OLD_DEADLINE = "reaper.io/deadline-before"  # activeDeadlineSeconds before it was cancelled
ANNOTATION_RETRY_OF = "reaper.io/retry-of"  # the task that this one repeats

# What the node installer says on each Node.
NODE_READY = "ready"
ANNOTATION_NODE_VERSION = "reaper.io/runtime-version"
ANNOTATION_NODE_ERROR = "reaper.io/runtime-error"

# Who may run host processes. The chart's policies read these on namespaces, and ask for the verbs on the resource,
# which is a name for a right and nothing that is served.
LABEL_ALLOW = "reaper.io/allow"
ALLOWED = "true"
LABEL_RULES = "reaper.io/rules"  # of a namespace in which the policies of the rule table are silent
NO_RULES = "none"
ANNOTATION_UIDS = "reaper.io/uids"
ANNOTATION_GIDS = "reaper.io/gids"
RESOURCE_ACCESS = "hostprocesses"
VERB_USE = "use"  # run them in a namespace
VERB_ALLOW = "allow"  # decide, for all namespaces, which of them have any

# The parts of an installation, by the chart's labels.
LABEL_PART_OF = "app.kubernetes.io/part-of"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_APP_VERSION = "app.kubernetes.io/version"
PRODUCT = "reaper"
COMPONENT_OPERATOR = "operator"
COMPONENT_NODE = "node"
COMPONENT_ACCESS = "access"

# A task's Pod is created with this gate; it goes only after the Pod's UID is in the task's status. So a Pod
# that has vanished without a trace in the status was never scheduled, and creating it again cannot run the
# attempt twice.
GATE_RECORDED = "reaper.io/recorded"

# On a task whose process may run: the task is there until the process is gone.
FINALIZER = "reaper.io/process"
FINALIZER_ORPHAN = "orphan"  # of Kubernetes: whoever deletes the task wants to keep its Pod


class RestartPolicy(StrEnum):
    """What the node does when the process ends. It restarts a process in the same Pod, with a growing
    delay."""

    NEVER = "Never"
    ON_FAILURE = "OnFailure"
    ALWAYS = "Always"


class DnsMode(StrEnum):
    """Whose resolver a process uses."""

    HOST = "host"
    KUBERNETES = "kubernetes"


class Phase(StrEnum):
    """The one-word summary of a task, derived from its Pod."""

    PENDING = "Pending"  # no process yet, or none until the next attempt
    RUNNING = "Running"  # the process runs, or the node is about to start it again
    SUSPENDED = "Suspended"  # no process until somebody resumes it
    SUCCEEDED = "Succeeded"  # over: exit code 0
    FAILED = "Failed"  # over: anything else
    UNKNOWN = "Unknown"  # the node has stopped reporting; the process may or may not run


FINAL_PHASES = frozenset({Phase.SUCCEEDED, Phase.FAILED})


class ConditionType(StrEnum):
    """The conditions of a task; the text says what each value means."""

    FINISHED = "Finished"
    """True: over, for success and for failure alike, and final; the reason says which. False: not over
    yet. Absent: not seen by the operator yet. Neither value is abnormal."""

    SUSPENDED = "Suspended"
    """True: spec.suspend is true and no process runs. False: resumed since. Absent: never suspended. Neither
    value is abnormal."""

    STOPPING = "Stopping"
    """True: the operator is ending the process, for the reason that stands there, and it is decided what the
    task becomes then. Absent otherwise. Neither is abnormal."""

    STALLED = "Stalled"
    """True: nothing more happens until a person acts, as the message says. Abnormal when True, and absent
    otherwise."""


class Reason(StrEnum):
    """Reasons that the operator itself gives. Others come from Kubernetes and the node as they are:
    `Completed`, `Error`, `StartError`, `Evicted`, `Unschedulable`, `ContainerCreating`."""

    NOT_SEEN = "NotSeen"  # what the schema says as long as no operator has said anything

    # No Pod yet
    INVALID_SPEC = "InvalidSpec"  # the spec got past the schema and still makes no sense
    POD_INVALID = "PodInvalid"  # the API server names fields of the task's Pod that are wrong
    POD_REFUSED = "PodRefused"  # the API server or an admission policy refuses the task's Pod: quota, Pod Security
    POD_NOT_CREATED = "PodNotCreated"  # the API server failed or did not answer when the Pod was to be created
    POD_NAME_TAKEN = "PodNameTaken"  # a Pod of somebody else has the name
    BACK_OFF = "BackOff"  # an attempt failed, and the next one has to wait
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"

    # A Pod that does not start
    PLACEHOLDER_MISSING = "PlaceholderMissing"  # the node has no placeholder image and cannot get it
    RUNTIME_MISSING = "RuntimeMissing"  # the node's containerd does not know the runtime

    # A process that is being ended, or whose node is away
    STOPPING = "Stopping"
    TASK_DELETED = "TaskDeleted"
    NODE_UNREACHABLE = "NodeUnreachable"  # the control plane lost the node

    # The end of an attempt
    COMPLETED = "Completed"
    ERROR = "Error"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    POD_DELETED = "PodDeleted"  # the Pod was deleted while the process ran, or before it was seen to end
    EVICTED = "Evicted"  # from its node, by somebody's drain or a taint
    PREEMPTED = "Preempted"  # a task or Pod of higher priority needed the room
    NODE_LOST = "NodeLost"  # the node is gone from the cluster
    PROCESS_LOST = "ProcessLost"  # the node itself no longer knows how the process ended, as after a reboot

    # The end of a task that was tried again
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    TOO_MANY_INTERRUPTIONS = "TooManyInterruptions"
