"""`make generate`: write what is derived from the models in api/. With --check: say what differs, and write nothing."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CRD = ("crds/reapertask.yaml", "charts/reaper/files/reapertask.yaml")


def generated() -> dict[Path, str]:
    """Every generated file and what it must hold."""
    crd = subprocess.run(
        [sys.executable, "-m", "reaper_api.crd"], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ).stdout
    return {ROOT / path: crd for path in CRD}


def main() -> int:
    """0 when all files are as they must be, now or after writing them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    only_compare: bool = parser.parse_args().check
    differing = [(path, text) for path, text in generated().items() if not path.exists() or path.read_text() != text]
    for path, text in differing:
        name = path.relative_to(ROOT)
        if only_compare:
            print(f"{name} is not what api/ gives: run make generate, and commit it", file=sys.stderr)
        else:
            path.write_text(text)
            print(f"wrote {name}")
    return 1 if only_compare and differing else 0


if __name__ == "__main__":
    sys.exit(main())
