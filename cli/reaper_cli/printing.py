"""-o: objects as data on standard output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from reaper_api.vocabulary import GROUP, SINGULAR

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_cli.cluster import Body

KUBECTL_ONLY = ("jsonpath", "jsonpath-as-json", "jsonpath-file", "go-template", "go-template-file", "custom-columns",
                "custom-columns-file")  # fmt: skip
OWN = ("json", "yaml", "name")


def output(*more: str) -> Callable[[Any], Any]:
    """-o with our formats, `more`, and kubectl's templates."""
    words = [*OWN, *more]

    def check(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
        if value and value not in words and value.partition("=")[0] not in KUBECTL_ONLY:
            wanted = ", ".join(words)
            raise click.BadParameter(f"{value!r} is no format: {wanted}, or jsonpath=…", ctx, parameter)
        return value

    text = f"{'|'.join(words)}|jsonpath=…"
    return click.option("-o", "--output", default="", metavar=text, callback=check, help="Format of the data.")


def structured(function: Any) -> Any:
    """-o json|yaml for answers that are no objects of Kubernetes."""
    return click.option("-o", "--output", type=click.Choice(["json", "yaml"]), default=None, help="As data.")(function)


def show(data: Any, form: str) -> None:
    """Print an object or a list as JSON or YAML."""
    if form == "json":
        click.echo(json.dumps(data, indent=4))
        return
    from reaper_cli.manifests import dump

    click.echo(dump(data), nl=False)


def kind_and_name(body: Body) -> str:
    """As kubectl's -o name; a name that the API server is still to complete ends with an ellipsis."""
    metadata = body["metadata"]
    return f"{SINGULAR}.{GROUP}/{metadata.get('name') or metadata['generateName'] + '…'}"
