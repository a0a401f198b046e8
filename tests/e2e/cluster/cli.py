"""The verbs: reading the command line, putting the parts together, and saying what went wrong."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.build.catalogue import modules
from cluster.build.programs import Programs
from cluster.cluster import Cluster
from cluster.docker.client import Docker
from cluster.docker.daemon import Daemon
from cluster.errors import ClusterError
from cluster.host import Host
from cluster.host.cache import Cache, cache_root
from cluster.host.commands import Processes
from cluster.host.console import Console
from cluster.host.machine import read_machine
from cluster.host.packages import Packages
from cluster.kube.kind import Kind
from cluster.kube.loading import Loader
from cluster.provider import Built, Stock, choose
from cluster.tools import Tools
from cluster.versions import read_versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

CHECKOUT = Path(__file__).resolve().parents[3]
NAME = "reaper"
_INTERRUPTED = 130


class Application:
    """All parts, connected."""

    def __init__(self, processes: Processes, console: Console) -> None:
        machine = read_machine()
        packages = Packages(processes, console, machine.as_root)
        self.host = Host(processes, console, Cache(cache_root(os.environ)), machine, packages)
        self.versions = read_versions()
        self.programs = Programs(self.host, self.versions)
        self.tools = Tools(self.host, self.versions, self.programs, CHECKOUT / ".tools")
        self.docker = Docker(processes)
        self.kind = Kind(self.host, self.tools.path("kind"), NAME)
        self.stock = Stock(self.host, self.docker, self.versions)
        self.built = Built(self.host, self.docker, self.versions, self.programs)
        daemon = Daemon(self.host, self.docker)
        kubeconfig = CHECKOUT / ".tools" / "kubeconfig"
        self.cluster = Cluster(
            self.host, self.docker, daemon, self.kind, self.tools, self.stock, self.built, kubeconfig
        )

    def up(self, workers: int | None) -> None:
        self.cluster.up(workers, lambda: choose(self.stock, self.built, os.environ))

    def loader(self) -> Loader:
        self.tools.ensure()
        return Loader(self.host, self.docker, self.kind)


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    processes = Processes()
    # The answer to `path` goes to standard output, so nothing else may.
    console = Console(sys.stderr if options.verb == "path" else sys.stdout)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return _run(Application(processes, console), options)
    except ClusterError as error:
        if error.detail:
            print(error.detail, file=sys.stderr)
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        processes.stop_all()
        print("interrupted: what was finished is kept, and the next run goes on from there", file=sys.stderr)
        return _INTERRUPTED


def _run(application: Application, options: argparse.Namespace) -> int:
    if options.verb == "status":
        return 0 if application.cluster.status() else 1
    console, cache = application.host.console, application.host.cache
    with cache.lock(lambda: console.say("==> another run is at work here; waiting for it to finish")):
        match options.verb:
            case "tools":
                application.tools.ensure()
            case "up":
                application.up(options.workers)
            case "load":
                application.loader().load(options.image)
            case "load-archive":
                application.loader().load_archive(options.archive)
            case "down":
                application.cluster.down()
            case "path":
                print(application.programs.built(options.module))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cluster", description=f"The kind cluster `{NAME}` of the demo and the tests."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("tools", help="kubectl, kind and helm in .tools/bin")
    up = verbs.add_parser("up", help="a working cluster; does nothing when there is one")
    up.add_argument(
        "--workers",
        type=_workers,
        default=os.environ.get("WORKERS") or None,
        help="how many workers (default: $WORKERS, or 1 for a new cluster and any number for one that is there)",
    )
    load = verbs.add_parser("load", help="images of the Docker daemon into every node")
    load.add_argument("image", nargs="+")
    archive = verbs.add_parser("load-archive", help="an image archive into every node")
    archive.add_argument("archive", type=Path)
    verbs.add_parser("down", help="delete the cluster and stop what `up` started")
    verbs.add_parser("status", help="what there is; exit code 0 if the cluster works")
    path = verbs.add_parser("path", help="print the cache folder with the programs of a module, built if need be")
    path.add_argument("module", choices=sorted(modules(read_versions())))
    return parser


def _workers(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of workers")
    return int(text)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
