"""`make install`: the images and the chart of this checkout on the cluster `reaper`. Quick when nothing has changed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
IMAGES = ("reaper-operator:dev", "reaper-node:dev")
RELEASE, NAMESPACE = "reaper", "reaper-system"
PARTS = ("operator", "node")


def main() -> int:
    """Load the images into the nodes and install or upgrade the release; 1 with the cause on standard error."""
    os.environ["KUBECONFIG"] = str(TOOLS / "kubeconfig")
    # A new image under the same tag makes new pods only if their template changes: the image's id is put into it.
    values = {part: f"{part}.podAnnotations.reaper\\.io/image-id={image_id(f'reaper-{part}:dev')}" for part in PARTS}
    wanted = digest(list(values.values()))
    status, description = release()
    if status == "deployed" and description == wanted:
        print("==> release reaper is installed already")
        return 0
    if status == "uninstalling":
        print("==> forgetting the release, whose uninstall was interrupted; what is on the nodes stays", flush=True)
        helm("uninstall", RELEASE, "--no-hooks", "--wait")
    subprocess.run(
        [sys.executable, "-m", "cluster", "load", *IMAGES],
        check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "e2e")},
    )  # fmt: skip
    print("==> installing the chart with Helm and waiting for operator and nodes", flush=True)
    begun = time.monotonic()
    words = ["upgrade", "--install", RELEASE, str(ROOT / "charts" / "reaper"), "--create-namespace"]
    words += ["--wait", "--timeout", "4m", "--description", wanted]
    for part, stamp in values.items():
        words += ["--set", f"{part}.image.tag=dev", "--set-string", stamp]
    done = helm(*words)
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr)
        print("helm could not install it: kubectl -n reaper-system get pods,events says more", file=sys.stderr)
        return 1
    print(f"    done in {time.monotonic() - begun:.0f} s")
    return 0


def image_id(name: str) -> str:
    """The id of an image in the Docker daemon, without its algorithm."""
    output = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", name], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return output.strip().removeprefix("sha256:")[:12]


def digest(values: list[str]) -> str:
    """Of the chart's files and the values: what a release was installed from."""
    found = hashlib.sha256("\n".join(values).encode())
    for file in sorted((ROOT / "charts" / "reaper").rglob("*")):
        if file.is_file():
            found.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    return found.hexdigest()[:16]


def release() -> tuple[str, str]:
    """Status of the release on the cluster, and what main() noted in it; empty strings if there is none."""
    done = helm("status", RELEASE, "--output", "json")
    if done.returncode != 0:
        return "", ""
    info = json.loads(done.stdout)["info"]
    return str(info["status"]), str(info["description"])


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Run it in the release's namespace."""
    command = [str(TOOLS / "bin" / "helm"), *words, "--namespace", NAMESPACE]
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
