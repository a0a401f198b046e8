"""What the fields of a model say about themselves: the text below each in the source.

pydantic can collect it too, but does so whenever a model is imported, which costs more time than all the rest of it.
"""

import ast
import inspect
import textwrap
from itertools import pairwise

from pydantic import BaseModel


def documentation(model: type[BaseModel]) -> dict[str, str]:
    """The text of each field that has one, by the field's name in YAML."""
    texts: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel) and part is not BaseModel:
            texts |= _texts(part)
    return {field.alias or name: texts[name] for name, field in model.model_fields.items() if name in texts}


def _texts(part: type[BaseModel]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - for the type checker: it is the source of a class
    found = {}
    for field, text in pairwise(definition.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = inspect.cleandoc(words)
    return found
