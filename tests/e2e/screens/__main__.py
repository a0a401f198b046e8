"""`make screens`: what the plugin shows on a terminal, drawn into docs/screens/, from tasks made for it in a namespace.

Look at the pictures before you keep them: they are what people see first.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kubectl import ROOT, Kubectl
from manifests import shell, task
from namespaces import opened
from plugin import Reaper
from screens.picture import drawn
from waiting import eventually

FOLDER = ROOT / "docs" / "screens"
NAMESPACE = "maintenance"
COLUMNS = 112
ROWS = 40

LONG = "while :; do sleep 1; done"
WORK = "i=0; while :; do i=$((i+1)); done"


@dataclass(frozen=True)
class Scene:
    """A command of the plugin; one that goes on by itself has a text that tells that its screen is complete."""

    words: tuple[str, ...]
    until: str = ""

    @property
    def name(self) -> str:
        return self.words[0]


SCENES = (
    Scene(("get", "-w"), until="trim"),
    Scene(("top",)),
    Scene(("describe", "firmware")),
    Scene(("doctor", "--run")),
)


def main() -> int:
    """0 when all pictures are drawn."""
    with opened(Kubectl("default"), NAMESPACE) as kubectl, tempfile.TemporaryDirectory() as folder:
        reaper = Reaper(kubectl, Path(folder))
        _tasks(kubectl)
        FOLDER.mkdir(exist_ok=True)
        for scene in SCENES:
            _draw(reaper, scene)
    return 0


def _tasks(kubectl: Kubectl) -> None:
    """One in each state that people meet."""
    kubectl.apply(
        shell("backup-db", LONG),
        shell("rebuild-index", WORK),
        shell("scan-disks", "echo 14 disks, none failing"),
        shell("trim", "echo 'fstrim: /scratch: the discard operation is not supported' >&2; exit 64"),
        shell("gpu-burn", "true", nodeSelector={"accelerator": "h200"}),
        task("firmware", "/usr/sbin/flash", "--all"),
    )
    for name in ("scan-disks", "trim", "firmware"):
        kubectl.finished(name)
    for name in ("backup-db", "rebuild-index"):
        kubectl.in_phase("reapertask", name, "Running")
    eventually(lambda: "Unschedulable" in json.dumps(kubectl.get("reapertask", "gpu-burn")), 60, "one waits")


def _draw(reaper: Reaper, scene: Scene) -> None:
    print(f"kubectl reaper {' '.join(scene.words)}", file=sys.stderr)
    typist = reaper.on_terminal(*scene.words)
    typist.resize(ROWS, COLUMNS)
    if scene.until:
        typist.wait_for(scene.until, 60)
        typist.type("\x03")
    typist.end()
    command = " ".join(("kubectl reaper", *scene.words))
    svg = drawn(typist.seen.replace("^C", ""), rows=ROWS, columns=COLUMNS, title=command)
    (FOLDER / f"{scene.name}.svg").write_text(svg)


sys.exit(main())
