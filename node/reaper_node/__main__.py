"""`python3 -m reaper_node install|remove|watch|withdraw`: what the DaemonSet and the uninstall hook run."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path

from reaper_node import agent, watch, withdraw
from reaper_node.errors import NodeError
from reaper_node.host import ChrootHost
from reaper_node.kube import ApiServer
from reaper_node.settings import Settings
from reaper_node.statuses import Statuses

USAGE = """\
usage: python3 -m reaper_node COMMAND

  install    put the runtime on this node and keep it there, until SIGTERM (which changes nothing)
  remove     give this node back as it was, then wait for SIGTERM
  watch      tell of the processes of ReaperTasks on this node, until SIGTERM (which changes nothing)
  withdraw   have the DaemonSet remove the runtime from every node, and wait for it
"""

_COMMANDS = {"install", "remove", "watch", "withdraw"}


def main(arguments: list[str]) -> int:
    """Run a command; the exit code."""
    if arguments in (["--help"], ["-h"]):
        sys.stdout.write(USAGE)
        return 0
    if len(arguments) != 1 or arguments[0] not in _COMMANDS:
        sys.stderr.write(USAGE)
        return 2
    level = os.environ.get("REAPER_LOG_LEVEL", "info").upper()
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")
    logging.Formatter.converter = time.gmtime
    try:
        _run(arguments[0])
    except NodeError as error:
        logging.getLogger(__name__).error("%s: %s", error.reason, error)  # noqa: TRY400
        return 1
    return 0


def _run(command: str) -> None:
    cluster = ApiServer.from_env(os.environ)
    if command == "withdraw":
        signal.signal(signal.SIGTERM, _stopped)  # the first process of a container does not end by it otherwise
        withdraw.withdraw(cluster, withdraw.Withdrawal.from_env(os.environ))
        return
    settings = Settings.from_env(os.environ)
    if command == "watch":
        signal.signal(signal.SIGTERM, _done)
        watch.keep(lambda: watch.Watch(Path(settings.tasks_directory), Statuses(cluster, settings.node_name)))
    agent.block_signals()
    resident = agent.Agent(ChrootHost(settings.host_root), cluster, settings, agent.wait_for_signal)
    if command == "install":
        resident.keep_installed()
    else:
        resident.keep_removed()


def _stopped(_number: int, _frame: object) -> None:
    raise NodeError("Stopped", "the uninstall hook was stopped before every node was clean")


def _done(_number: int, _frame: object) -> None:
    sys.exit(0)  # wherever it is: a write is one request, whole or not at all


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
