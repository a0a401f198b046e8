"""What a process is given, whoever describes it: a manifest's Pod and the ReaperTask that it becomes, with a probe in
the place of their program, which is on no test machine.

The probe prints its arguments, directory, user, environment, and what it finds where volumes are mounted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Object = dict[str, Any]
Needed = tuple[str, str, set[str]]  # kind, name, keys

_SCRIPT = """
exec 2>&1
for word; do echo "argument $word"; done
echo "directory $PWD"
echo "user $(id -u) $(id -g) $(id -G)"
env | grep -Ev '^(KUBERNETES_|_=|SHLVL=|PWD=)' | sort
"""
_DIRECTORY = """
file=$(mktemp {path}/probe.XXXXXX 2>/dev/null) && rm "$file" && writable=yes || writable=no
echo "directory {path}, writable: $writable"
"""
_FILES = """
for file in {path}/* {path}; do
    [ -f "$file" ] || continue
    echo "$file"
    case $file in */token) test -s "$file" ;; *) cat "$file"; echo ;; esac
done
"""
_OF_A_CONTAINER = ("name", "args", "envFrom", "workingDir", "securityContext", "stdin", "tty")
_TEMPLATES = (("spec", "jobTemplate", "spec", "template"), ("spec", "template"), ("template",))


def pod(workload: Object, task: Object) -> Object:
    """The Pod that a workload would make, with the probe; without what its task says it has lost."""
    template = _template(workload)
    (given,) = template["spec"]["containers"]
    env = {variable["name"] for variable in task["spec"].get("env", ())}
    paths = {volume["mountPath"] for volume in task["spec"].get("volumes", ())}
    mounts = [mount for mount in given.get("volumeMounts", ()) if mount["mountPath"] in paths]
    mounted = {mount["name"] for mount in mounts}
    container = {
        **{name: given[name] for name in _OF_A_CONTAINER if name in given},
        **_with_probe(given, task),
        "image": "placeholder",
        "imagePullPolicy": "IfNotPresent",
        "env": [variable for variable in given.get("env", ()) if variable["name"] in env],
        "volumeMounts": mounts,
    }
    kept = ("securityContext", "serviceAccountName")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": task["metadata"]["name"], "annotations": template["metadata"].get("annotations", {})},
        "spec": {
            "runtimeClassName": "reaper-v2",
            "restartPolicy": "Never",
            "hostNetwork": True,
            "containers": [container],
            "volumes": [volume for volume in template["spec"].get("volumes", ()) if volume["name"] in mounted],
            **{name: template["spec"][name] for name in kept if name in template["spec"]},
        },
    }


def probed(task: Object) -> Object:
    """The task, with the probe, on any node, once."""
    spec = {**task["spec"], **_with_probe(task["spec"], task), "restartPolicy": "Never", "backoffLimit": 0}
    for name in ("nodeName", "nodeSelector", "affinity", "tolerations", "priorityClassName", "suspend",
                 "ttlSecondsAfterFinished", "activeDeadlineSeconds"):  # fmt: skip
        spec.pop(name, None)
    metadata = {name: value for name, value in task["metadata"].items() if name in ("name", "annotations", "labels")}
    return {**task, "metadata": metadata, "spec": spec}


def needed(tasks: Iterable[Object]) -> list[Object]:
    """The objects that tasks name, with the keys that they ask for."""
    specs = [task["spec"] for task in tasks]
    keys: dict[tuple[str, str], set[str]] = {}
    for spec in specs:
        for kind, name, wanted in (*_of_variables(spec), *_of_volumes(spec)):
            keys.setdefault((kind, name), set()).update(wanted)
    made = []
    for (kind, name), wanted in keys.items():
        data = {key: f"{name} has {key}" for key in sorted(wanted)}
        field = "stringData" if kind == "Secret" else "data"
        made.append({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: data})
    accounts = {spec["serviceAccountName"] for spec in specs if "serviceAccountName" in spec} - {"default"}
    return [*made, *({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}} for name in accounts)]


def _of_variables(spec: Object) -> Iterator[Needed]:
    for variable in spec.get("env", ()):
        for reference, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            if found := variable.get("valueFrom", {}).get(reference):
                yield kind, found["name"], {found["key"]}
    for source in spec.get("envFrom", ()):
        for reference, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            if reference in source:
                yield kind, source[reference]["name"], {"FROM"}


def _of_volumes(spec: Object) -> Iterator[Needed]:
    for volume in spec.get("volumes", ()):
        for source in (volume, *volume.get("projected", {}).get("sources", ())):
            for field, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
                if found := source.get(field):
                    name = found.get("secretName") or found["name"]
                    yield kind, name, {item["key"] for item in found.get("items", ())} or {"file"}


def host_paths(task: Object) -> list[str]:
    """The directories of the node that a task mounts."""
    return [volume["hostPath"]["path"] for volume in task["spec"].get("volumes", ()) if "hostPath" in volume]


def makes_a_pod(workload: Object) -> bool:
    """Whether it is one, or has a template of one."""
    return "containers" in _template(workload).get("spec", {})


def _template(workload: Object) -> Object:
    for path in _TEMPLATES:
        found: Any = workload
        for name in path:
            found = found.get(name, {})
        if found:
            return {"metadata": {}, **found}
    return workload


def _with_probe(process: Object, task: Object) -> Object:
    """The command: the probe, and what it would have been as arguments."""
    script = _SCRIPT
    for volume in task["spec"].get("volumes", ()):
        text = _DIRECTORY if {"hostPath", "emptyDir"} & volume.keys() else _FILES
        script += text.replace("{path}", volume["mountPath"])
    return {"command": ["/bin/sh", "-c", script, "probe", *process["command"]]}
