"""api/reaper_api/ruleset/pod_fields.py, from the models of the Kubernetes client."""

from __future__ import annotations

import importlib.metadata
import re
import textwrap
from typing import Any

from kubernetes import client

from reaper_api.ruleset.template import WORKLOADS

_HEAD = '''"""The fields of Pods, of the workloads that have Pods, and of all that is in them. Written by make
generate from the models of the Kubernetes client. Do not edit.

As text, which is read where it is needed: FIELD, or FIELD:TYPE where there are fields below it, in lists too.
"""

'''


def module() -> str:
    """The whole file."""
    types: dict[str, str] = {}
    for kind in WORKLOADS:
        _collect(f"V1{kind}", types)
    release = importlib.metadata.version("kubernetes").partition(".")[0]
    rows = (f'    "{name}": """\n{fields}\n    """,\n' for name, fields in sorted(types.items()))
    return f'{_HEAD}RELEASE = "1.{release}"  # of Kubernetes\n\nFIELDS = {{\n{"".join(rows)}}}\n'


def _collect(name: str, types: dict[str, str]) -> None:
    """A model and what is in it; of a status, which is not a user's to write, no more than that it is there."""
    if _short(name) in types:
        return
    types[_short(name)] = ""  # some are in themselves
    model: Any = getattr(client, name)
    words = []
    for attribute, field in sorted(model.attribute_map.items(), key=lambda pair: pair[1]):
        inner = re.search(r"\b(?:Core)?V\d\w+", model.openapi_types[attribute])
        if inner and field != "status":
            _collect(inner[0], types)
            words.append(f"{field}:{_short(inner[0])}")
        else:
            words.append(field)
    margin = " " * 8
    types[_short(name)] = textwrap.fill(" ".join(words), 118, initial_indent=margin, subsequent_indent=margin)


def _short(name: str) -> str:
    return re.sub(r"^(?:Core)?V\d(?:(?:alpha|beta)\d)?", "", name)
