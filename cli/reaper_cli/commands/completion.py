"""completion: the script that teaches a shell to complete `kubectl-reaper`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from reaper_cli import options

if TYPE_CHECKING:
    from reaper_cli.target import Target

_SCRIPT = "kubectl-reaper"


@options.verb()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@options.target_flags
@click.pass_context
def command(ctx: click.Context, shell: str, target: Target) -> None:  # noqa: ARG001 - the flags are taken everywhere
    """Completion for bash, zsh and fish.

    kubectl completes `kubectl reaper` by itself as soon as its own completion is set up: it asks the program
    kubectl_complete-reaper, which is installed beside this one. This script is for the name kubectl-reaper.

    \b
    bash   source <(kubectl-reaper completion bash)
    zsh    source <(kubectl-reaper completion zsh)
    fish   kubectl-reaper completion fish | source
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has these three
    click.echo(kind(ctx.find_root().command, {}, _SCRIPT, options.COMPLETE_VARIABLE).source())
