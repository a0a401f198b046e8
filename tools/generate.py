"""`make generate`: write what is derived from the models and the rules in api/, from tables in the runtime, and from
the models of the Kubernetes client.

With --check: say what differs, and write nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml

import pod_fields
import rules_page
from reaper_api.ruleset import policy
from reaper_api.ruleset.image import PLACEHOLDERS
from reaper_runtime.config import KEYS, PREFIX, WITHOUT_MEANING

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = ROOT / "docs" / "configuration.md"
RULES = ROOT / "docs" / "rules.md"
POD_FIELDS = ROOT / "api" / "reaper_api" / "ruleset" / "pod_fields.py"
POLICIES = ROOT / "charts" / "reaper" / "files" / "rules.yaml"
BEGIN, END = "<!-- keys: written by make generate -->\n", "<!-- end of keys -->\n"
CRD = ("crds/reapertask.yaml", "charts/reaper/files/reapertask.yaml")


def generated() -> dict[Path, str]:
    """Every generated file and what it must hold."""
    crd = subprocess.run(
        [sys.executable, "-m", "reaper_api.crd"], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ).stdout
    return {
        **{ROOT / path: crd for path in CRD},
        CONFIGURATION: configuration(CONFIGURATION.read_text()),
        RULES: rules_page.page(),
        POD_FIELDS: pod_fields.module(),
        POLICIES: policies(),
    }


def policies() -> str:
    """What the chart makes the policies of the rule table from, and the names that others share with them."""
    content = {
        "namespaceSelector": policy.NAMESPACES,
        "placeholders": PLACEHOLDERS,
        "policies": policy.specs(),
    }
    head = "# Written by make generate from api/reaper_api/ruleset. Do not edit.\n"
    plain = json.loads(json.dumps(content))  # what is there several times is written in full, without YAML's aliases
    return head + yaml.safe_dump(plain, sort_keys=False, width=118, allow_unicode=True)


def configuration(page: str) -> str:
    """The page about reaper.conf, with its tables written anew from the runtime's own."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    keys = "".join(f"| `{PREFIX}{k.name}` | {k.kind} | {_code(k.default)} | {k.meaning} |\n" for k in KEYS)
    gone = "".join(f"| `{PREFIX}{name}` | {why} |\n" for name, why in WITHOUT_MEANING.items())
    return (
        f"{before}{BEGIN}\n| key | value | default | what it decides |\n| --- | --- | --- | --- |\n{keys}\n"
        "These keys of earlier versions are accepted, change nothing, and are reported in the shim's log:\n\n"
        f"| key | why |\n| --- | --- |\n{gone}\n{END}{after}"
    )


def _code(text: str) -> str:
    return f"`{text}`" if text else "empty"


def main() -> int:
    """0 when all files are as they must be, now or after writing them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    only_compare: bool = parser.parse_args().check
    differing = [(path, text) for path, text in generated().items() if not path.exists() or path.read_text() != text]
    for path, text in differing:
        name = path.relative_to(ROOT)
        if only_compare:
            print(f"{name} is not what the code gives: run make generate, and commit it", file=sys.stderr)
        else:
            path.write_text(text)
            print(f"wrote {name}")
    return 1 if only_compare and differing else 0


if __name__ == "__main__":
    sys.exit(main())
