"""`make demo`, last step: a ReaperTask and a plain Pod on the cluster, and what a person wants to see of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ("", "")


RUNTIME = "/opt/reaper/current/bin/reaper-runtime"


class DemoError(Exception):
    """A step did not do what it should; the message says which."""


def main() -> int:
    """0 when everything was seen to work; 1 with the step that did not."""
    os.environ["KUBECONFIG"] = str(TOOLS / "kubeconfig")
    os.environ["PATH"] = f"{TOOLS / 'bin'}:{os.environ['PATH']}"
    try:
        tasks()
        process_on_the_node()
        pod()
    except DemoError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        print("look at: kubectl -n reaper-system get pods; kubectl get events", file=sys.stderr)
        return 1
    what_next()
    return 0


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
