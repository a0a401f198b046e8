"""`make tutorial`: type the commands of docs/tutorial.md on the cluster, and write down what they print.

An output that is as the page shows it, but for times and the like, stays as it is.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from kubectl import ROOT
from tutorial.shell import Shell
from tutorial.transcript import differs, steps, with_outputs

PAGE = ROOT / "docs" / "tutorial.md"


def main() -> int:
    """0 when the page is what the cluster says."""
    page = PAGE.read_text()
    outputs = []
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(Path(folder))
        for step in steps(page):
            print(f"$ {step.command}", file=sys.stderr)
            printed = shell.type(step.command)
            print("\n".join(printed), file=sys.stderr)
            outputs.append(printed if differs(step.output, printed) else step.output)
    PAGE.write_text(with_outputs(page, outputs))
    return 0


sys.exit(main())
