"""kubectl, as a person uses it, with answers as JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "reaper-system"
RELEASE = "reaper"
RUNTIME = "/opt/reaper/current/bin/reaper-runtime"  # on a node
ALLOW = "reaper.io/allow=true"  # the label of a namespace that may have host processes
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Object = dict[str, Any]


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


def kubeconfig() -> str:
    """The path of the one for the cluster under test."""
    return os.environ.get("KUBECONFIG") or str(ROOT / ".tools" / "kubeconfig")


def program(name: str) -> str:
    """A program of this checkout, or else of the machine."""
    own = ROOT / ".tools" / "bin" / name
    found = str(own) if own.exists() else shutil.which(name)
    assert found, f"{name} is missing: run `make cluster`"
    return found


def ready(pod: Object) -> bool:
    """Whether all that is asked of it says so."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


class Kubectl:
    """kubectl in one namespace of the cluster under test."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._command = [program("kubectl"), "--kubeconfig", kubeconfig(), "--namespace", namespace]

    def run(self, *words: str, stdin: str = "", check: bool = True, timeout: float = 120) -> Done:
        """Run kubectl; with `check`, a failure is an assertion that shows its output."""
        command = [*self._command, *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
        if check:
            assert done.returncode == 0, f"$ kubectl {' '.join(words)}\n{done.stdout}{done.stderr}"
        return Done(done.returncode, done.stdout, done.stderr)

    def apply(self, *objects: Object, check: bool = True) -> Done:
        """kubectl apply of some objects."""
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)} if len(objects) > 1 else objects[0]
        return self.run("apply", "-f", "-", stdin=json.dumps(document), check=check)

    def find(self, kind: str, name: str) -> Object | None:
        """An object, or None where there is none."""
        answer = self.run("get", kind, name, "-o", "json", "--ignore-not-found").out
        return dict(json.loads(answer)) if answer.strip() else None

    def get(self, kind: str, name: str) -> Object:
        """An object that has to be there."""
        found = self.find(kind, name)
        assert found is not None, f"{kind} {name} is not there"
        return found

    def list(self, kind: str, *words: str) -> list[Object]:
        """All objects of a kind, narrowed by selectors."""
        return list(json.loads(self.run("get", kind, "-o", "json", *words).out)["items"])

    def logs(self, pod: str, *words: str) -> str:
        """What the containers printed."""
        return self.run("logs", pod, *words).out

    def execute(self, pod: str, *command: str, container: str = "", stdin: str = "") -> Done:
        """kubectl exec; its exit code is the answer, so failing is fine."""
        where = ["-c", container] if container else []
        attach = ["-i"] if stdin else []
        return self.run("exec", *attach, pod, *where, "--", *command, stdin=stdin, check=False)

    def finished(self, name: str, within: float = 60) -> Object:
        """The task, once it is over."""
        self.run("wait", "--for=condition=Finished", f"reapertask/{name}", f"--timeout={within:.0f}s")
        return self.get("reapertask", name)

    def ended(self, name: str, within: float = 60) -> Object:
        """The Pod, once all its containers have ended for good."""

        def look() -> Object | None:
            found = self.find("pod", name)
            return found if found and found.get("status", {}).get("phase") in ("Succeeded", "Failed") else None

        return eventually(look, within, f"pod {name} has ended")

    def printed(self, *pods: Object) -> Sequence[str]:
        """Apply these Pods, all at once, and give what each has printed, once it has succeeded."""
        self.apply(*pods)
        return [self._output(pod["metadata"]["name"]) for pod in pods]

    def _output(self, name: str) -> str:
        ended = self.ended(name)
        logs = self.logs(name)
        assert ended["status"]["phase"] == "Succeeded", f"pod {name} failed: {logs}{ended['status']}"
        return logs

    def event(self, name: str, reason: str, sentence: str, *, within: float = 30) -> None:
        """Wait for an Event of this reason about a Pod that says this, whatever others say."""

        def look() -> bool:
            found = self.list("events", "--field-selector", f"involvedObject.name={name},reason={reason}")
            return any(sentence in event["message"] for event in found)

        eventually(look, within, f"an Event {reason} about pod {name} says {sentence!r}")

    def in_phase(self, kind: str, name: str, phase: str, within: float = 60) -> Object:
        """The task or Pod, once it has a phase."""

        def look() -> Object | None:
            found = self.find(kind, name)
            return found if found and found.get("status", {}).get("phase") == phase else None

        return eventually(look, within, f"{kind} {name} is {phase}")


class Node:
    """A shell on a node that does not depend on the runtime under test: through the installer's privileged pod."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._system = Kubectl(SYSTEM)

    def sh(self, script: str, stdin: str = "", *, check: bool = True) -> str:
        """Run a script among the node's mounts, as they are now, and its processes; what it printed."""
        pods = self._installers()
        assert pods, f"there is no installer pod on node {self.name}"
        enter = ["/bin/busybox", "nsenter", "--mount=/host/proc/1/ns/mnt", "--"]
        command = [*enter, "/usr/bin/env", f"PATH={_PATH}", "/bin/sh", "-c", script]
        done = self._system.execute(pods[0]["metadata"]["name"], *command, container="installer", stdin=stdin or "\n")
        if check:
            assert done.code == 0, f"on {self.name}: {script}\n{done.out}{done.err}"
        return done.out

    def replace_installer(self) -> None:
        """Another pod of the DaemonSet takes the place of the one that is there, and has looked at the node."""
        (old,) = self._installers()
        self._system.run("delete", "pod", old["metadata"]["name"])

        def look() -> bool:
            return any(new["metadata"]["uid"] != old["metadata"]["uid"] and ready(new) for new in self._installers())

        # Not `rollout status`: it reads what the DaemonSet's controller last wrote, and that may be of before.
        eventually(look, 90, f"another installer pod on node {self.name} is ready")

    def _installers(self) -> list[Object]:
        """The pods of the DaemonSet that are to stay here: one, or none for a moment."""
        words = ("-l", "app.kubernetes.io/component=node", "--field-selector", f"spec.nodeName={self.name}")
        return [pod for pod in self._system.list("pods", *words) if "deletionTimestamp" not in pod["metadata"]]

    def processes(self, marker: str) -> list[int]:
        """Processes whose command line has a marker. It goes over stdin, so that the search does not find itself."""
        script = """
            read -r marker
            for folder in /proc/[0-9]*; do
                line=$(tr '\\0' ' ' <"$folder/cmdline" 2>/dev/null) || continue
                case $line in *"$marker"*) echo "${folder#/proc/}" ;; esac
            done
        """
        return [int(word) for word in self.sh(script, stdin=f"{marker}\n").split()]

    def parent(self, pid: int) -> int:
        """The parent of a process."""
        return int(self.sh(f"cut -d' ' -f4 /proc/{pid}/stat"))
