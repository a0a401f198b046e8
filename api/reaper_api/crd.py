"""The CustomResourceDefinition, generated from the models: `python -m reaper_api.crd` prints it.

pydantic writes JSON schema; the API server takes the structural kind only. The difference is bridged here:
references are inlined, `null` alternatives and titles dropped, one-value literals become enums, and the
CEL rules are attached.
"""

import sys
from copy import deepcopy
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from reaper_api import vocabulary as v
from reaper_api.documentation import documentation
from reaper_api.rules import DEFAULTS, rules_of
from reaper_api.status import TaskStatus
from reaper_api.task import ReaperTask, TaskSpec

HEADER = "# Generated from api/reaper_api by `make generate`. Do not edit.\n"
REF = "#/$defs/"
RULES = "x-kubernetes-validations"


class StructuralSchema(GenerateJsonSchema):
    """pydantic's generator without what a structural schema may not say."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Optional means absent: the API server drops nulls by itself."""
        return self.generate_inner(schema["schema"])

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """Always an enum, also for one value, where pydantic would write `const`."""
        return {"type": "string", "enum": list(schema["expected"])}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Scalar defaults only: an absent list is an empty list already."""
        result = super().default_schema(schema)
        if not isinstance(result.get("default"), DEFAULTS):
            result.pop("default", None)
        return result

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Adds what the fields say about themselves, and the model's CEL rules."""
        result = super().model_schema(schema)
        for name, text in documentation(schema["cls"]).items():
            result["properties"][name]["description"] = text
        for rule in rules_of(schema["cls"]):
            place = result["properties"][(rule.field or "").removeprefix(".")] if rule.of_value else result
            place.setdefault(RULES, []).append(rule.as_schema())
        return result

    def get_title_from_name(self, name: str) -> str:
        """Titles are removed in `structural`."""
        return name


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """`model` as a structural schema: one tree without references."""
    schema = model.model_json_schema(by_alias=True, schema_generator=StructuralSchema, mode="validation")
    definitions = schema.pop("$defs", {})
    tree = _inline(schema, definitions)
    assert isinstance(tree, dict)  # noqa: S101 - for the type checker: an object stays an object
    return tree


def _inline(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: value for key, value in node.items() if key != "title" or not isinstance(value, str)}
    if isinstance(node.get("description"), str):
        node["description"] = " ".join(node["description"].split())  # docstrings are wrapped for the source
    reference = node.pop("$ref", None)
    if reference is not None:
        # What the field says about itself (its description, its default) stands before what its type says; rules of
        # both hold.
        of_type = deepcopy(definitions[reference.removeprefix(REF)])
        rules = [*node.get(RULES, ()), *of_type.get(RULES, ())]
        return _inline({**of_type, **node, **({RULES: rules} if rules else {})}, definitions)
    return {key: _inline(value, definitions) for key, value in node.items()}


def _root_schema() -> dict[str, Any]:
    root = structural(ReaperTask)
    properties = {
        "apiVersion": {"type": "string", "description": f"Always {v.API_VERSION}."},
        "kind": {"type": "string", "description": f"Always {v.KIND}."},
        "metadata": {"type": "object"},
        "spec": structural(TaskSpec),
        "status": {**structural(TaskStatus), "default": NOT_SEEN},
    }
    return {
        "type": "object",
        "description": root["description"],
        "required": ["spec"],
        "properties": properties,
    }


def _column(name: str, path: str, kind: str, description: str, *, wide: bool = False) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": 1} if wide else column


# The API server says it of every task that has no status: also while nobody is there to say anything.
NOT_SEEN = {
    "phase": str(v.Phase.PENDING),
    "reason": str(v.Reason.NOT_SEEN),
    "message": "no operator has looked at this task yet; if that stays so, see whether one runs: "
    "kubectl get pods -A -l app.kubernetes.io/name=reaper",
}

COLUMNS = [
    _column("Phase", ".status.phase", "string", "Pending, Running, Suspended, Succeeded, Failed or Unknown"),
    _column("Exit", ".status.exitCode", "integer", "Exit code of the process"),
    _column("Node", ".status.nodeName", "string", "Node that the process runs on"),
    _column("Pod", ".status.podName", "string", "Pod that the task runs in", wide=True),
    _column("Attempts", ".status.attempts", "integer", "Attempts so far", wide=True),
    _column("PID", ".status.hostProcessPID", "integer", "Process id on the node", wide=True),
    _column("Reason", ".status.reason", "string", "Why the task is in this phase", wide=True),
    _column("Age", ".metadata.creationTimestamp", "date", "Time since the task was created"),
]


def crd() -> dict[str, Any]:
    """The whole CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{v.PLURAL}.{v.GROUP}"},
        "spec": {
            "group": v.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": v.KIND,
                "listKind": f"{v.KIND}List",
                "plural": v.PLURAL,
                "singular": v.SINGULAR,
                "shortNames": [v.SHORT_NAME],
                "categories": [v.CATEGORY],
            },
            "versions": [
                {
                    "name": v.VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _root_schema()},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": COLUMNS,
                    "selectableFields": [
                        {"jsonPath": ".spec.nodeName"},
                        {"jsonPath": ".status.phase"},
                        {"jsonPath": ".status.nodeName"},
                    ],
                }
            ],
        },
    }


def to_yaml() -> str:
    """The same text on every machine."""
    import yaml  # a development dependency: nothing generates a CRD in the cluster

    return HEADER + yaml.safe_dump(crd(), sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(to_yaml())
