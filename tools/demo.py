"""`make demo`, last step: a ReaperTask and a plain Pod on the cluster, and what a person wants to see of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ("", "")


RUNTIME = "/opt/reaper/current/bin/reaper-runtime"


MANIFESTS = tuple(ROOT / "examples" / name for name in ("hello.yaml", "ticker.yaml", "pod.yaml"))
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Object = dict[str, Any]


class DemoError(Exception):
    """A step did not do what it should; the message says which."""

    def __init__(self, message: str, advice: str = "kubectl -n reaper-system get pods; kubectl get events") -> None:
        """`advice`: what to type next."""
        super().__init__(message)
        self.advice = advice


def main() -> int:
    """0 when everything was seen to work; 1 with the step that did not."""
    os.environ["KUBECONFIG"] = str(TOOLS / "kubeconfig")
    os.environ["PATH"] = f"{TOOLS / 'bin'}:{os.environ['PATH']}"
    try:
        room()
        permission()
        tasks()
        process_on_the_node()
        pod()
    except DemoError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        print(f"try: {error.advice}", file=sys.stderr)
        return 1
    what_next()
    return 0


def room() -> None:
    """Names for the demo's objects, which an earlier demo's may have; where others have them, nothing is changed."""
    there = json.loads(quietly("kubectl get reapertasks,pods -o json"))["items"]
    taken = in_the_way(there, [yaml.safe_load(path.read_text()) for path in MANIFESTS])
    if taken:
        raise DemoError(
            f"namespace default has {' and '.join(taken)}, not made by the demo, which needs the names and has changed "
            "nothing",
            f"if nobody needs what is there: kubectl delete {' '.join(taken)}; then make demo",
        )


def in_the_way(there: list[Object], wanted: list[Object]) -> list[str]:
    """Which of the objects that are there have the name of a wanted one, or of its Pod, and are others: as kubectl
    names them."""
    manifests = {_place(each): each for each in wanted}
    tasks = {name for kind, name in manifests if kind != "Pod"}
    found = []
    for each in there:
        kind, name = _place(each)
        if (kind, name) in manifests:
            other = _applied(each) != manifests[kind, name]["spec"]
        else:
            other = kind == "Pod" and name in tasks and name not in _controllers(each)
        if other:
            found.append(f"{kind.lower()}/{name}")
    return found


def _place(item: Object) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def _applied(item: Object) -> Object | None:
    """The spec that somebody has applied, without what the API server has added; None where it was not applied."""
    text = (item["metadata"].get("annotations") or {}).get(_APPLIED)
    spec: Object | None = None if text is None else json.loads(text)["spec"]
    return spec


def _controllers(item: Object) -> set[str]:
    """The tasks that a Pod belongs to."""
    owners = item["metadata"].get("ownerReferences") or []
    return {owner["name"] for owner in owners if owner["kind"] == "ReaperTask"}


def permission() -> None:
    """The namespace, which has no host processes by itself. The demo's user is an administrator and needs no role."""
    title("Host processes are for namespaces that an administrator opens (docs/security.md)")
    show("kubectl label namespace default reaper.io/allow=true --overwrite")


def tasks() -> None:
    """A task that ends, and one that goes on."""
    title("A ReaperTask: apply it, wait for it, read its output")
    show("kubectl apply -f examples/hello.yaml -f examples/ticker.yaml")
    show("kubectl wait --for=condition=Finished reapertask/hello --timeout=60s")
    quietly("kubectl wait --for=jsonpath={.status.phase}=Running reapertask/ticker --timeout=60s")
    show("kubectl get reapertasks")
    show("kubectl logs hello")


def process_on_the_node() -> None:
    """The running task as its node sees it."""
    title("The other task runs: a process of the node, in the node's own namespaces")
    pod = json.loads(quietly("kubectl get pod ticker -o json"))
    node = pod["spec"]["nodeName"]
    container = pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
    show(f"docker exec {node} {RUNTIME} list")
    running = json.loads(quietly(f"docker exec {node} {RUNTIME} list -o json"))
    pid = next(process["pid"] for process in running if process["container"] == container)
    show(f"docker exec {node} ps -o pid,ppid,user,comm -p 1,{pid}")
    each = f"readlink /proc/1/ns/$n /proc/{pid}/ns/$n | xargs"
    show(f"docker exec {node} sh -c 'for n in pid net ipc uts user; do {each}; done'  # of process 1, of the task")
    show("kubectl exec ticker -- hostname")


def pod() -> None:
    """A plain Pod on the same runtime."""
    title("A plain Pod does the same: runtimeClassName: reaper-v2")
    show("kubectl apply -f examples/pod.yaml")
    quietly("kubectl wait --for=jsonpath={.status.phase}=Succeeded pod/hello-pod --timeout=60s")
    show("kubectl get pods")
    show("kubectl logs hello-pod")


def what_next() -> None:
    """Commands to go on with."""
    title("What to try next")
    print(f"""\
  export KUBECONFIG={TOOLS.relative_to(Path.cwd()) if TOOLS.is_relative_to(Path.cwd()) else TOOLS}/kubeconfig \
PATH=$PWD/.tools/bin:$PATH

  kubectl logs -f ticker                        # the task that still runs
  kubectl exec ticker -- ps -o pid,ppid,args    # a command beside it
  kubectl delete reapertask ticker              # and its process is gone
  kubectl apply -f examples/failing.yaml        # phase Failed, exit code 42
  kubectl explain reapertask.spec
  less docs/tutorial.md                         # the first hour, step by step
  make cluster-down                             # removes all of this""")


def title(text: str) -> None:
    """A heading."""
    print(f"\n{BOLD}{text}{PLAIN}\n", flush=True)


def show(command: str) -> None:
    """Print a command, and what it prints."""
    print(f"$ {command}")
    print(run(command), flush=True)


def quietly(command: str) -> str:
    """Only the output, as a value."""
    return run(command)


def run(command: str) -> str:
    """The command's output; raises DemoError with it if the command fails."""
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise DemoError(f"{command}\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
