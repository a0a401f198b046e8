"""A Pod as the config.json files that containerd writes for it: of its sandbox, and of each of its containers.

Only what a rule or the runtime looks at: kubelet's translation (pkg/kubelet/kuberuntime, security_context.go and
kuberuntime_container.go) and the CRI plugin's (containerd, internal/cri/server/podsandbox/sandbox_run_linux.go and
internal/cri/server/container_create.go, internal/cri/opts/spec_linux_opts.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.runtime import process_object

if TYPE_CHECKING:
    from collections.abc import Iterator

Body = dict[str, Any]

DEFAULT_APPARMOR = "cri-containerd.apparmor.d"
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_PROPAGATION = {"Bidirectional": "rshared", "HostToContainer": "rslave"}
_USER_MAPPING = [{"containerID": 0, "hostID": 65536, "size": 65536}]
_MIB = 1 << 20


def configs(pod: Body) -> Iterator[Body]:
    """The sandbox's config.json, then the init containers' and the containers'."""
    spec = pod["spec"]
    yield _config(pod, spec.get("securityContext") or {}, {"sysctl": _sysctls(spec)}, kind="sandbox")
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        own = container.get("securityContext") or {}
        context = {**(spec.get("securityContext") or {}), **{k: v for k, v in own.items() if v is not None}}
        context["appArmorProfile"] = context.get("appArmorProfile") or _annotated(pod, container)
        resources = _resources((container.get("resources") or {}).get("limits") or {})
        config = _config(pod, context, {"resources": resources}, kind="container")
        program = container.get("command") or ["/bin/true"]  # the image's, where the Pod has none
        config["process"]["args"] = [*program, *container.get("args", ())]
        config["mounts"] = [_mount(mount) for mount in container.get("volumeMounts", ())]
        config["root"]["readonly"] = bool(context.get("readOnlyRootFilesystem"))
        yield config


def _config(pod: Body, context: Body, linux: Body, *, kind: str) -> Body:
    spec = pod["spec"]
    namespaces: list[Body] = [{"type": "mount"}]
    mappings: Body = {}
    if spec.get("hostUsers") is False:
        namespaces.append({"type": "user"})
        mappings = {"uidMappings": _USER_MAPPING, "gidMappings": _USER_MAPPING}
    process = process_object("/bin/true", apparmorProfile=_apparmor(context), selinuxLabel=_selinux(context))
    annotations = {"io.kubernetes.cri.container-type": kind, "io.kubernetes.cri.sandbox-id": "sandbox"}
    return {
        "ociVersion": "1.2.0",
        "process": process,
        "root": {"path": "rootfs"},
        "hostname": spec.get("hostname") or pod["metadata"]["name"],
        "annotations": {**pod["metadata"].get("annotations", {}), **annotations},
        "linux": {
            "namespaces": namespaces,
            "cgroupsPath": "kubepods-pod1.slice:cri-containerd:main",
            **_seccomp(context),
            **mappings,
            **linux,
        },
    }


def _seccomp(context: Body) -> Body:
    profile = (context.get("seccompProfile") or {}).get("type", "Unconfined")
    return {} if profile == "Unconfined" else {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}}


def _apparmor(context: Body) -> str:
    profile = context.get("appArmorProfile") or {"type": "RuntimeDefault"}  # unless somebody says otherwise
    names = {"Unconfined": "", "RuntimeDefault": DEFAULT_APPARMOR, "Localhost": profile.get("localhostProfile", "")}
    return str(names[profile["type"]])


def _annotated(pod: Body, container: Body) -> Body | None:
    """The profile as it was asked for before Kubernetes 1.30."""
    value = pod["metadata"].get("annotations", {}).get(_APPARMOR + container["name"])
    kinds = {None: None, "unconfined": {"type": "Unconfined"}, "runtime/default": {"type": "RuntimeDefault"}}
    if value in kinds:
        return kinds[value]
    return {"type": "Localhost", "localhostProfile": value.removeprefix("localhost/")}


def _selinux(context: Body) -> str:
    options = context.get("seLinuxOptions") or {}
    usual = {"user": "system_u", "role": "system_r", "type": "container_t", "level": "s0"}
    return ":".join({**usual, **options}[name] for name in usual) if options else ""


def _sysctls(spec: Body) -> Body:
    asked = {each["name"]: each["value"] for each in (spec.get("securityContext") or {}).get("sysctls", ())}
    if spec.get("hostNetwork"):
        return asked
    return {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647", **asked}


def _resources(limits: Body) -> Body:
    """Numbers of the right kind: what becomes of them is not judged here."""
    resources: Body = {"cpu": {"shares": 2, "period": 100000}, "memory": {}}
    if "cpu" in limits:
        resources["cpu"]["quota"] = 100000
    if "memory" in limits:
        resources["memory"]["limit"] = 64 * _MIB
    return resources


def _mount(mount: Body) -> Body:
    options = ["rbind", _PROPAGATION.get(mount.get("mountPropagation", ""), "rprivate")]
    options.append("ro" if mount.get("readOnly") else "rw")
    if mount.get("recursiveReadOnly") == "Enabled":
        options.append("rro")
    return {"destination": mount["mountPath"], "type": "bind", "source": "/mnt", "options": options}
