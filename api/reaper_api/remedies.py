"""What a person can do about a trouble that is not the program's own, once: the operator writes it into the task's
status, and the plugin says the same. Pure.

Templates, with {node} and {namespace}.
"""

import re

from reaper_api.vocabulary import ALLOWED, LABEL_ALLOW

SILENT_NODE = "kubectl describe node {node}"
SILENT_NODE_AFTER = "the task goes on, or is over, when the node reports again"
CORDONED_NODE = "kubectl uncordon {node}"
QUOTA = "kubectl describe quota -n {namespace}"
POD_SECURITY = "kubectl label namespace {namespace} pod-security.kubernetes.io/enforce=privileged --overwrite"
NOT_ALLOWED = f"kubectl label namespace {{namespace}} {LABEL_ALLOW}={ALLOWED}"

REFUSALS = (
    ("exceeded quota", QUOTA),
    (re.escape(LABEL_ALLOW), NOT_ALLOWED),
    ("violates PodSecurity", POD_SECURITY),
)
"""Parts of what the API server says when it refuses a Pod, and what helps."""

# How the scheduler puts it: a cordon, and the taints of the node lifecycle controller.
CORDONED = "were unschedulable"
NOT_READY = re.compile(r"node\.kubernetes\.io/(not-ready|unreachable)")
UNNAMED_TAINT = "had untolerated taint(s)"  # in Kubernetes 1.36, without a word which


def of_refusal(message: str, namespace: str) -> str | None:
    """What helps against a refusal of a Pod. None where nothing is known, or where the refusal says it itself."""
    for pattern, remedy in REFUSALS:
        if re.search(pattern, message):
            text = remedy.format(namespace=namespace)
            return None if text in message else text
    return None


def of_silence(node: str) -> str:
    """What helps against a node that has stopped reporting."""
    return f"{SILENT_NODE}; {SILENT_NODE_AFTER}".format(node=node)


def of_unscheduled(message: str, node: str) -> str | None:
    """What helps against a scheduler that finds a node cordoned or not ready. `node`: its name, or a word for it."""
    if CORDONED in message:
        return f"a cordoned node takes no new Pod until: {CORDONED_NODE}".format(node=node)
    if NOT_READY.search(message):
        return f"a node that is not ready takes no new Pod; why it is not: {SILENT_NODE}".format(node=node)
    if UNNAMED_TAINT in message:
        text = f"a taint keeps new Pods away, which a node that is not ready has too; which one: {SILENT_NODE}"
        return text.format(node=node)
    return None
