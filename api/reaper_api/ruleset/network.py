"""Where the process listens, and where others look for it: it has the node's network unless it asks for the Pod's."""

from collections.abc import Iterator

from reaper_api.ruleset import cel
from reaper_api.ruleset.rule import Admission, Cel, Path, Rule, Severity, Violation
from reaper_api.ruleset.template import Object, Template, get, ignored, mapping, sequence, shown

_PROBES = (("livenessProbe",), ("readinessProbe",), ("startupProbe",))
_HOOKS = (("lifecycle", "postStart"), ("lifecycle", "preStop"))
_REMEDY = (
    "Set hostNetwork: true, or have the process in the Pod's network by the annotation reaper.runtime/network: pod."
)


def _asked(handler: Object) -> str:
    """How a probe goes to the Pod's IP, "" if it does not."""
    for kind in ("httpGet", "tcpSocket"):
        if isinstance(handler.get(kind), dict) and not handler[kind].get("host"):
            return kind
    return "grpc" if isinstance(handler.get("grpc"), dict) else ""


def _probes(template: Template) -> Iterator[Violation]:
    if template.has_network:
        return
    for path, container in template.containers():
        for place in (*_PROBES, *_HOOKS):
            kind = _asked(mapping(get(container, *place)))
            if kind:
                yield Violation(
                    (*path, *place, kind), f"{place[-1]} asks the Pod's IP, where the process does not listen"
                )


def _ports(template: Template) -> Iterator[Violation]:
    if template.has_network:
        return
    for path, container in template.containers():
        for number, port in enumerate(sequence(container.get("ports"))):
            if isinstance(port, dict) and "containerPort" in port:
                text = f"Port {shown(port['containerPort'])} is the node's, not the Pod's"
                yield Violation((*path, "ports", number, "containerPort"), text)


def _hostname(template: Template) -> Iterator[Violation]:
    for name in ("hostname", "subdomain", "setHostnameAsFQDN", "hostnameOverride"):
        value = template.spec.get(name)
        if value not in (None, "", False):
            yield Violation(template.path("spec", name), ignored(name, value))


def _dns(template: Template) -> Iterator[Violation]:
    if template.asks("dns-mode") in ("kubernetes", "k8s"):
        return
    policy = template.spec.get("dnsPolicy")
    if policy in ("None", "ClusterFirstWithHostNet"):
        yield Violation(template.path("spec", "dnsPolicy"), ignored("dnsPolicy", policy))
    for name, value in mapping(template.spec.get("dnsConfig")).items():
        yield Violation(template.path("spec", "dnsConfig", name), ignored(f"dnsConfig.{name}", value))


def _no_second_network(template: Template) -> Iterator[Violation]:
    if template.spec.get("hostNetwork") is True and template.asks("network") == "pod":
        path: Path = template.path("metadata", "annotations", "reaper.runtime/network")
        yield Violation(path, "The annotation reaper.runtime/network: pod has no effect beside hostNetwork: true")


def _cel_asked(place: tuple[str, ...]) -> str:
    handler = "c" + "".join(f".?{part}" for part in place)
    return " || ".join(
        (
            *(
                f"({handler}.?{kind}.hasValue() && {handler}.?{kind}.?host.orValue('') == '')"
                for kind in ("httpGet", "tcpSocket")
            ),
            f"{handler}.?grpc.hasValue()",
        )
    )


_ALL = (*_PROBES, *_HOOKS)
_SAYS_PROBES = (
    "("
    + " + ".join(f"(({_cel_asked(place)}) ? ['{place[-1]}'] : [])" for place in _ALL)
    + ").map(p, p + \" asks the Pod's IP, where the process does not listen\").join('; ')"
)
_SPEC = cel.SPEC
_BAD_POLICY = f"{_SPEC}.?dnsPolicy.orValue('') in ['None', 'ClusterFirstWithHostNet']"
_BAD_CONFIG = {
    name: f"{_SPEC}.?dnsConfig.?{name}.orValue([]).size() > 0" for name in ("nameservers", "searches", "options")
}

RULES = (
    Rule(
        id="RPR008",
        name="probes",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="spec.containers[].livenessProbe, readinessProbe, startupProbe, lifecycle",
        message="Kubelet asks the Pod's IP, and the process listens at the node's: an httpGet, tcpSocket or grpc of a "
        "probe or hook fails",
        advice=f"{_REMEDY} An exec probe needs neither.",
        check=_probes,
        cel=cel.no_container(" || ".join(map(_cel_asked, _ALL)), _SAYS_PROBES, unless=cel.HAS_NETWORK),
    ),
    Rule(
        id="RPR009",
        name="ports",
        severity=Severity.INFO,
        field="spec.containers[].ports",
        message="The process listens at the node's address, so Services lead to the Pod's IP in vain, and a port can "
        "be taken on the node already",
        advice=_REMEDY,
        check=_ports,
        cel=cel.no_container(
            "c.?ports.orValue([]).size() > 0",
            "c.ports.map(p, \"Port \" + string(p.containerPort) + \" is the node's, not the Pod's\").join('; ')",
            unless=cel.HAS_NETWORK,
        ),
    ),
    Rule(
        id="RPR010",
        name="host name",
        severity=Severity.INFO,
        field="spec.hostname, subdomain, setHostnameAsFQDN, hostnameOverride",
        message="A host process has the node's host name; DNS still knows the Pod by this one",
        advice="Leave it out, or hand the name to the program in a variable.",
        check=_hostname,
        runtime=("hostname", "domainname"),
        cel=Cel(
            f"!{_SPEC}.?hostname.hasValue() && !{_SPEC}.?subdomain.hasValue() && "
            f"!{_SPEC}.?setHostnameAsFQDN.orValue(false) && !{_SPEC}.?hostnameOverride.hasValue()"
        ),
    ),
    Rule(
        id="RPR011",
        name="DNS",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="spec.dnsPolicy, dnsConfig",
        message="The process uses the node's resolver, unless the node's administrator chose otherwise",
        advice="Add the annotation reaper.runtime/dns-mode: kubernetes to the Pod, or leave the field out.",
        check=_dns,
        cel=Cel(
            f"{cel.asks('dns-mode')} in ['kubernetes', 'k8s'] || "
            f"!({_BAD_POLICY} || {' || '.join(_BAD_CONFIG.values())})",
            f"(({_BAD_POLICY} ? [{cel.ignored('dnsPolicy', f'{_SPEC}.dnsPolicy')}] : []) + "
            + " + ".join(
                f"({bad} ? [\"Field 'dnsConfig.{name}: […]' will be ignored\"] : [])"
                for name, bad in _BAD_CONFIG.items()
            )
            + ").join('; ')",
        ),
    ),
    Rule(
        id="RPR012",
        name="two networks",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="metadata.annotations",
        message="The annotation reaper.runtime/network: pod has no effect beside hostNetwork: true",
        advice="Leave one of the two out.",
        check=_no_second_network,
        cel=Cel(f"!({_SPEC}.?hostNetwork.orValue(false) && {cel.asks('network')} == 'pod')"),
    ),
)
