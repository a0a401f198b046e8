"""What is asked of a container's isolation, which a host process does not have."""

from collections.abc import Iterator
from typing import Any

from reaper_api.ruleset import cel
from reaper_api.ruleset.rule import Admission, Cel, Path, Rule, Severity, Violation
from reaper_api.ruleset.template import Object, Template, get, ignored, mapping, sequence

_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_UNCONFINED = ("", "Unconfined", None)


def contexts(template: Template) -> Iterator[tuple[Path, Object]]:
    """The path and body of each securityContext: the Pod's, then the containers'."""
    yield template.path("spec", "securityContext"), mapping(template.spec.get("securityContext"))
    for path, container in template.containers():
        yield (*path, "securityContext"), mapping(container.get("securityContext"))


def _profiles(template: Template, name: str) -> Iterator[Violation]:
    for path, context in contexts(template):
        kind = get(context, name, "type")
        if kind not in _UNCONFINED:
            yield Violation((*path, name, "type"), ignored(f"securityContext.{name}.type", kind))


def _seccomp(template: Template) -> Iterator[Violation]:
    return _profiles(template, "seccompProfile")


def _apparmor(template: Template) -> Iterator[Violation]:
    yield from _profiles(template, "appArmorProfile")
    for name, value in template.annotations.items():
        if name.startswith(_APPARMOR) and value != "unconfined":
            yield Violation(template.path("metadata", "annotations", name), ignored(name, value))


def _selinux(template: Template) -> Iterator[Violation]:
    for path, context in contexts(template):
        for name, value in mapping(context.get("seLinuxOptions")).items():
            if value not in (None, ""):
                yield Violation(
                    (*path, "seLinuxOptions", name), ignored(f"securityContext.seLinuxOptions.{name}", value)
                )


def _user_namespace(template: Template) -> Iterator[Violation]:
    if template.spec.get("hostUsers") is False:
        yield Violation(
            template.path("spec", "hostUsers"), "'hostUsers: false' asks for a user namespace, which is refused"
        )


def _sysctls(template: Template) -> Iterator[Violation]:
    for number, each in enumerate(sequence(get(template.spec, "securityContext", "sysctls"))):
        name = f"{mapping(each).get('name')}={mapping(each).get('value')}"
        yield Violation(template.path("spec", "securityContext", "sysctls", number), _would_change(name))


def _would_change(name: str) -> str:
    return f"'{name}' would change the node, and is refused"


def _not_root(template: Template) -> Iterator[Violation]:
    pod = mapping(template.spec.get("securityContext"))
    for path, container in template.containers():
        context = mapping(container.get("securityContext"))
        where: Path = (*path, "securityContext")
        asked = _effective(context, pod, "runAsNonRoot")
        if asked is not True or _effective(context, pod, "runAsUser") not in (None, 0):
            continue
        own = "runAsNonRoot" in context
        place = (*where, "runAsNonRoot") if own else template.path("spec", "securityContext", "runAsNonRoot")
        yield Violation(place, f"Container {container.get('name')} must not be root, and no user is set")


def _effective(context: Object, pod: Object, name: str) -> Any:
    own = context.get(name)
    return pod.get(name) if own is None else own


def _bad_profile(name: str, place: str) -> str:
    return f"!({place}.?securityContext.?{name}.?type.orValue('Unconfined') in ['', 'Unconfined'])"


def _says_profile(name: str, place: str) -> str:
    return cel.ignored(f"securityContext.{name}.type", f"{place}.securityContext.{name}.type")


def _bad_seccomp(place: str) -> str:
    return _bad_profile("seccompProfile", place)


def _bad_selinux(place: str) -> str:
    fields = ("user", "role", "type", "level")
    return " || ".join(f"{place}.?securityContext.?seLinuxOptions.?{name}.orValue('') != ''" for name in fields)


def _says_selinux(place: str) -> str:
    fields = ("user", "role", "type", "level")
    parts = (
        f"({place}.securityContext.seLinuxOptions.?{name}.orValue('') != '' ? ["
        + cel.ignored(f"securityContext.seLinuxOptions.{name}", f"{place}.securityContext.seLinuxOptions.{name}")
        + "] : [])"
        for name in fields
    )
    return f"({' + '.join(parts)}).join('; ')"


_OWN = "c.?securityContext"
_PODS = f"{cel.SPEC}.?securityContext"
_ANY_APPARMOR = f"{cel.ANNOTATIONS}.exists(k, k.startsWith('{_APPARMOR}') && {cel.ANNOTATIONS}[k] != 'unconfined')"
_CONTAINED = "it describes a container's root"

RULES = (
    Rule(
        id="RPR013",
        name="root is forbidden",
        severity=Severity.ERROR,
        admission=Admission.DENY,
        field="spec.securityContext.runAsNonRoot",
        message="With runAsNonRoot, kubelet starts a container only as another user than root, and no image names one",
        advice="Set runAsUser to the number of a user of the node.",
        check=_not_root,
        cel=cel.no_container(
            f"{_OWN}.?runAsNonRoot.or({_PODS}.?runAsNonRoot).orValue(false) && "
            f"{_OWN}.?runAsUser.or({_PODS}.?runAsUser).orValue(0) == 0",
            "'Container ' + c.name + ' must not be root, and no user is set'",
        ),
    ),
    Rule(
        id="RPR014",
        name="seccomp",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="securityContext.seccompProfile",
        message="No seccomp profile is applied: a profile for containers forbids what host processes are for",
        advice="Leave it out, and do not count on it. A node that has REAPER_UNSUPPORTED=refuse refuses the Pod.",
        check=_seccomp,
        runtime=("linux.seccomp",),
        cel=cel.neither(_bad_seccomp, lambda place: _says_profile("seccompProfile", place)),
    ),
    Rule(
        id="RPR015",
        name="AppArmor",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="securityContext.appArmorProfile",
        message=f"No AppArmor profile is applied: {_CONTAINED}",
        advice="Leave it out, and do not count on it. A node that has REAPER_UNSUPPORTED=refuse refuses a profile of "
        "your own.",
        check=_apparmor,
        runtime=("process.apparmorProfile",),
        cel=Cel(
            cel.neither(lambda p: _bad_profile("appArmorProfile", p), lambda _: "''").holds + f" && !{_ANY_APPARMOR}"
        ),
    ),
    Rule(
        id="RPR016",
        name="SELinux",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="securityContext.seLinuxOptions",
        message=f"No SELinux label is set: {_CONTAINED}",
        advice="Leave it out, and do not count on it. A node that has REAPER_UNSUPPORTED=refuse refuses the Pod.",
        check=_selinux,
        runtime=("process.selinuxLabel",),
        cel=cel.neither(_bad_selinux, _says_selinux),
    ),
    Rule(
        id="RPR017",
        name="user namespace",
        severity=Severity.ERROR,
        admission=Admission.DENY,
        field="spec.hostUsers",
        message="A host process has the node's users: a user namespace is refused",
        advice="Leave hostUsers out, and set runAsUser.",
        check=_user_namespace,
        runtime=("linux.namespaces", "linux.uidMappings", "linux.gidMappings"),
        cel=Cel(f"{cel.SPEC}.?hostUsers.orValue(true) == true"),
    ),
    Rule(
        id="RPR018",
        name="sysctls",
        severity=Severity.ERROR,
        admission=Admission.DENY,
        field="spec.securityContext.sysctls",
        message="A sysctl is refused: it would change the node",
        advice="Set it on the node, as in /etc/sysctl.d, and leave it out here.",
        check=_sysctls,
        runtime=("linux.sysctl",),
        cel=Cel(
            f"{_PODS}.?sysctls.orValue([]).size() == 0",
            f"{_PODS}.?sysctls.orValue([])"
            ".map(s, \"'\" + s.name + '=' + s.value + \"' would change the node, and is refused\").join('; ')",
        ),
    ),
)
