"""What the chart's policies say to whom they refuse, word for word."""

from __future__ import annotations


def shut(namespace: str) -> str:
    """The sentence of a namespace that is not open."""
    return (
        f"namespace {namespace} does not allow host processes: whoever administers the cluster allows them with: "
        f"kubectl label namespace {namespace} reaper.io/allow=true --overwrite"
    )


def granted(user: str, namespace: str) -> str:
    """The end of a sentence about a user without the right."""
    return (
        f": whoever administers the cluster allows it with: kubectl create rolebinding 'host-processes:{user}' "
        f"--namespace={namespace} --clusterrole=reaper-host-processes --user='{user}'"
    )


def may_not(user: str, namespace: str = "open") -> str:
    """The sentence for a user without the right."""
    return f"{user} may not run host processes in namespace {namespace}{granted(user, namespace)}"


def may_not_exec(user: str, namespace: str) -> str:
    """The same for a process beside another."""
    what = f"{user} may not use kubectl exec, attach, cp or port-forward in namespace {namespace}"
    return f"{what}, where Pods may be host processes{granted(user, namespace)}"


def may_not_open(user: str) -> str:
    """The sentence for who may change a namespace, and not open it."""
    return (
        f"{user} may not decide about host processes in namespaces (labels reaper.io/allow and reaper.io/rules, "
        "annotations reaper.io/uids and reaper.io/gids): whoever administers the cluster allows it, for all "
        f"namespaces, with: kubectl create clusterrolebinding 'host-processes:{user}' "
        f"--clusterrole=reaper-open-namespaces --user='{user}'"
    )


def wrong_id(kind: str, number: int, field: str, allowed: str, namespace: str = "narrow") -> str:
    """The sentence for a uid or gid."""
    root = ", which is also what they have where none is given" if number == 0 else ""
    return (
        f"host processes of namespace {namespace} may not have {kind} {number}{root}: set {field} to one of {allowed}"
    )


def wrong_uid(number: int, field: str = "securityContext.runAsUser of the Pod or of every container") -> str:
    return wrong_id("uid", number, field, "1000-1999,5000")


ATTRIBUTES = "runAsGroup, supplementalGroups and fsGroup of the securityContext"


def wrong_gid(number: int, field: str = ATTRIBUTES) -> str:
    return wrong_id("gid", number, field, "100,1000-1999")


UNREADABLE = (
    "the annotation reaper.io/uids of namespace broken is not a list of uids such as 1000-1999,5000, so nobody runs "
    "host processes there: whoever administers the cluster corrects it with: kubectl annotate namespace broken "
    "reaper.io/uids=1000-1999 --overwrite"
)
KEPT = (
    "the annotations reaper.runtime/... of a Pod are what its processes were started with, and stay as they are: make "
    "Pod running anew with others"
)
BOUND = (
    "a binding gives its annotations to the Pod, and the annotations reaper.runtime/... of a Pod stay as they are: "
    "leave them out of the binding"
)
IMAGE_KEPT = (
    "the image of a host process means nothing, and to change it in Pod running would only start the process anew: "
    "make the Pod anew with another command"
)
IMAGE_WITH_GROUPS = (
    "host processes of namespace narrow have only the gids 100,1000-1999, and another image than placeholder could "
    "give them more: set image to placeholder in every container"
)
LIKE_ROOT = (
    "host processes of namespace narrow may not be root, and neither have what only root has: leave privileged, "
    "capabilities.add and allowPrivilegeEscalation: true out of every securityContext"
)
NO_DEBUG = (
    "a Pod of the RuntimeClass reaper-v2 takes no debug container: its processes have no image, and see the programs "
    "of the node; use kubectl exec -it -n open running -- sh"
)
ANOTHER = (
    "Pods of RuntimeClass mine would be host processes that nobody checks: the handler reaper-v2 is for the "
    "RuntimeClass reaper-v2 only"
)
