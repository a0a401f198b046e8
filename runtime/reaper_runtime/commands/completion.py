"""Shell completion, made from the command line's own table."""

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BASH = """# bash completion for reaper-runtime: source it, or put it into /etc/bash_completion.d
_reaper_runtime() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
            --root|--log|--log-format) ((i++)) ;;
            -*) ;;
            *) verb=${{COMP_WORDS[i]}}; break ;;
        esac
    done
    case $verb in
        "") COMPREPLY=($(compgen -W "{top}" -- "$word")) ;;
{verbs}
    esac
}}
complete -o default -F _reaper_runtime reaper-runtime
"""
_VERB = """        {name})
            if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "{flags}" -- "$word"))
            else COMPREPLY=({words}); fi ;;"""
_IDS = '$(compgen -W "$(reaper-runtime list -q 2>/dev/null)" -- "$word")'


def bash(top: argparse.ArgumentParser) -> str:
    """The script for bash."""
    verbs = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction)).choices
    cases = "\n".join(
        _VERB.format(name=name, flags=" ".join(_flags(verb)), words=_IDS if _takes_id(name, verb) else "")
        for name, verb in verbs.items()
    )
    return _BASH.format(top=" ".join((*verbs, *_flags(top))), verbs=cases)


def _flags(parser: argparse.ArgumentParser) -> "Iterator[str]":
    for action in parser._actions:
        yield from action.option_strings


def _takes_id(name: str, verb: argparse.ArgumentParser) -> bool:
    return name not in ("create", "run") and any(action.dest == "id" for action in verb._actions)
