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

LABEL_TASK = "reaper.io/task"  # the task's name, shortened where it is longer than a label value may be
LABEL_TASK_UID = "reaper.io/task-uid"
LABEL_ATTEMPT = "reaper.io/attempt"  # counts from 1
LABEL_APP_NAME = "app.kubernetes.io/name"
LABEL_APP_INSTANCE = "app.kubernetes.io/instance"
LABEL_APP_MANAGED_BY = "app.kubernetes.io/managed-by"
APP_NAME = "reaper-task"

# What the runtime on the node reads. A stream that is not wanted has the value DISCARD.
ANNOTATION_STDOUT = "reaper.runtime/stdout"
ANNOTATION_STDERR = "reaper.runtime/stderr"
DISCARD = "discard"

# A task's Pod is created with this gate; it goes only after the Pod's UID is in the task's status. So a Pod
# that has vanished without a trace in the status was never scheduled, and creating it again cannot run the
# task twice.
GATE_RECORDED = "reaper.io/recorded"


class RestartPolicy(StrEnum):
    """What the node does when the process ends. It restarts a process in the same Pod, with a growing
    delay."""

    NEVER = "Never"
    ON_FAILURE = "OnFailure"
    ALWAYS = "Always"


class Phase(StrEnum):
    """The one-word summary of a task, derived from its Pod."""

    PENDING = "Pending"  # no process yet
    RUNNING = "Running"  # the process runs, or the node is about to start it again
    SUCCEEDED = "Succeeded"  # over: exit code 0
    FAILED = "Failed"  # over: anything else
    UNKNOWN = "Unknown"  # the node has stopped reporting; the process may or may not run


FINAL_PHASES = frozenset({Phase.SUCCEEDED, Phase.FAILED})


class ConditionType(StrEnum):
    """The conditions of a task; the text says what each value means."""

    FINISHED = "Finished"
    """True: over, for success and for failure alike, and final; the reason says which. False: not over
    yet. Absent: not seen by the operator yet. Neither value is abnormal."""

    STALLED = "Stalled"
    """True: nothing more happens until a person acts, as the message says. Abnormal when True, and absent
    otherwise."""


class Reason(StrEnum):
    """Reasons that the operator itself gives. Others come from Kubernetes and the node as they are:
    `Completed`, `Error`, `StartError`, `Evicted`, `Unschedulable`, `ContainerCreating`."""

    INVALID_SPEC = "InvalidSpec"  # the spec got past the schema and still makes no sense
    POD_INVALID = "PodInvalid"  # the API server says that the task's Pod can never be right
    POD_REFUSED = "PodRefused"  # the API server or an admission policy refuses the task's Pod: quota, Pod Security
    POD_NAME_TAKEN = "PodNameTaken"  # a Pod of somebody else has the task's name
    POD_DELETED = "PodDeleted"  # the Pod went away before the process was seen to end
    NODE_UNREACHABLE = "NodeUnreachable"  # the control plane lost the node
    PROCESS_LOST = "ProcessLost"  # the node itself no longer knows how the process ended
    COMPLETED = "Completed"
    ERROR = "Error"
