"""The command line of reaper-runtime: runc's, as far as it makes sense for host processes."""

import argparse

from reaper_runtime.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

NAME = "reaper-runtime"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, as an error of ours."""

    def error(self, message: str) -> "NoReturn":
        message = message.replace("unrecognized arguments:", "unknown flag or argument")
        if message.startswith(("argument COMMAND: invalid choice: ", "argument ACTION: invalid choice: ")):
            message = f"unknown command {message.split(': ')[2].split(' (')[0]}"
        raise InvalidArgument(f"{message[0].lower()}{message[1:]}: see {self.prog} --help")


VERBS: "dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]" = {}


def _verb(name: str, summary: str) -> "Callable[[Callable[[argparse.ArgumentParser], None]], None]":
    def add(define: "Callable[[argparse.ArgumentParser], None]") -> None:
        VERBS[name] = (summary, define)

    return add


def parser(default_root: str, default_log: str) -> Parser:
    """The whole command line."""
    top = Parser(
        prog=NAME, allow_abbrev=False, description="Runs OCI bundles as plain processes of this node, and shows them."
    )
    top.add_argument("-v", "--version", action="store_true", help="print the version")
    top.add_argument("--root", default=default_root, metavar="DIR", help="where containers are kept (%(default)s)")
    top.add_argument("--log", default=default_log, metavar="FILE", help="write errors and warnings to this file too")
    top.add_argument("--log-format", default="text", choices=("text", "json"), help="of the log file")
    top.add_argument("--debug", action="store_true", help="log what is done")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", parser_class=Parser)
    for name, (summary, define) in VERBS.items():
        define(verbs.add_parser(name, help=summary, description=f"{summary}.", allow_abbrev=False))
    return top


def _id(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("id", metavar="ID", help="the container's name on this node")


def _streams(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--pid-file", default="", metavar="FILE", help="write the process's pid to this file")
    verb.add_argument(
        "--console-socket", default="", metavar="SOCKET", help="Unix socket that takes the other side of the terminal"
    )
    verb.add_argument(
        "--preserve-fds", type=_count, default=0, metavar="N", help="hand on N more descriptors, from 3 on"
    )


def _count(text: str) -> int:
    """For argparse, which makes a sentence of the error."""
    if not text.isdecimal() or len(text) > 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of descriptors")
    return int(text)


def _bundle(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-b", "--bundle", default=".", metavar="DIR", help="directory of config.json (here)")


def _creation(verb: argparse.ArgumentParser) -> None:
    _bundle(verb)
    _streams(verb)
    for harmless in ("--no-pivot", "--no-new-keyring"):
        verb.add_argument(harmless, action="store_true", help="accepted, and changes nothing")


@_verb("create", "Create a container: everything but its program runs")
def _create(verb: argparse.ArgumentParser) -> None:
    _creation(verb)
    _id(verb)


@_verb("start", "Run the program of a created container")
def _start(verb: argparse.ArgumentParser) -> None:
    _id(verb)


@_verb("state", "Print the state of a container as JSON")
def _state(verb: argparse.ArgumentParser) -> None:
    _id(verb)


@_verb("kill", "Send a signal (TERM) to a container")
def _kill(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-a", "--all", action="store_true", help="to each of its processes")
    _id(verb)
    verb.add_argument("signal", nargs="?", default="TERM", metavar="SIGNAL", help="TERM, SIGTERM, 15, RTMIN+1")


@_verb("delete", "Forget a stopped container")
def _delete(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-f", "--force", action="store_true", help="kill it first; no error if there is none")
    _id(verb)


@_verb("run", "Create and start a container, wait for its end and delete it")
def _run(verb: argparse.ArgumentParser) -> None:
    _creation(verb)
    verb.add_argument("-d", "--detach", action="store_true", help="do not wait")
    verb.add_argument("--keep", action="store_true", help="do not delete it")
    verb.add_argument("--no-subreaper", action="store_true", help="accepted; the supervisor is always one")
    _id(verb)


@_verb("exec", "Run one more process in a running container")
def _exec(verb: argparse.ArgumentParser) -> None:
    _streams(verb)
    verb.add_argument("-p", "--process", default="", metavar="FILE", help="JSON of the process, in place of a command")
    verb.add_argument("-t", "--tty", action="store_true", help="with a terminal")
    verb.add_argument("-u", "--user", default="", metavar="UID[:GID]", help="as another user")
    verb.add_argument("-g", "--additional-gids", type=int, action="append", metavar="GID", help="one more group")
    verb.add_argument("--cwd", default="", metavar="DIR", help="working directory")
    verb.add_argument("-e", "--env", action="append", default=[], metavar="NAME=VALUE", help="one more variable")
    verb.add_argument("--no-new-privs", action="store_true", help="no program gains privileges")
    verb.add_argument("--ignore-paused", action="store_true", help="accepted; nothing is ever paused")
    verb.add_argument("-d", "--detach", action="store_true", help="do not wait")
    _id(verb)
    verb.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the program and its arguments")


@_verb("list", "Show the processes of this node's pods, and the containers below --root")
def _list(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-o", "--output", choices=("table", "json"), help="only the processes of pods")
    verb.add_argument("-f", "--format", choices=("table", "json"), help="only the containers, as runc shows them")
    verb.add_argument("-q", "--quiet", action="store_true", help="only the ids of the containers")


@_verb("ps", "Show the processes of a container")
def _ps(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-f", "--format", choices=("table", "json"), default="table")
    _id(verb)
    verb.add_argument("arguments", nargs=argparse.REMAINDER, metavar="PS-ARGUMENT", help="for ps(1); -ef if none")


@_verb("spec", "Write a config.json for a shell on this node")
def _spec(verb: argparse.ArgumentParser) -> None:
    _bundle(verb)


@_verb("features", "Print what of the OCI runtime specification is honoured, as JSON")
def _features(_verb: argparse.ArgumentParser) -> None:
    return


@_verb("overlay", "Show the overlays of this node, or forget what was written in one that nobody uses")
def _overlay(verb: argparse.ArgumentParser) -> None:
    actions = verb.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    shown = actions.add_parser("list", help="name, whether it is mounted and in use, and its size", allow_abbrev=False)
    shown.add_argument("-o", "--output", choices=("table", "json"), default="table")
    shown.add_argument("--no-sizes", action="store_false", dest="sizes", help="do not look at every file in them")
    gone = actions.add_parser("reset", help="unmount it and remove what was written in it", allow_abbrev=False)
    gone.add_argument("-a", "--all", action="store_true", dest="everything", help="each that is not in use")
    gone.add_argument("names", nargs="*", metavar="NAME", help="as overlay list shows it")


@_verb("doctor", "Say what runs on this node, what is stale and what is misconfigured")
def _doctor(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-o", "--output", choices=("table", "json"), default="table")


@_verb("completion", "Print the completion for a shell")
def _completion(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("shell", choices=("bash",))
