"""exec: one more process in a running container."""

import json
import os
import time

from reaper_runtime.commands import foreground, lifecycle
from reaper_runtime.commands.client import Supervisor
from reaper_runtime.commands.descriptors import connect_console, hand_over, named
from reaper_runtime.commands.home import DESCRIPTORS
from reaper_runtime.commands.service import DETACHED
from reaper_runtime.errors import InvalidArgument, InvalidBundle, ReaperError
from reaper_runtime.oci.process import parse_process
from reaper_runtime.wire import messages as m

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    import socket
    from typing import Any

    from reaper_runtime.commands.home import Home

_PROCESS = "types.containerd.io/opencontainers/runtime-spec/1/Process"


def execute(home: "Home", options: "argparse.Namespace") -> int:
    """The exit code of the process, or 0 with --detach."""
    remote = Supervisor(home)
    process = process_of(options, home.read().bundle)
    process["terminal"] = parse_process(process, "the process to execute").terminal
    _check_console(options, terminal=process["terminal"])
    exec_id = f"{DETACHED if options.detach else 'exec-'}{os.getpid()}-{time.time_ns():x}"
    master = _create(remote, home, options, exec_id, process)
    try:
        if options.detach:
            started = remote.call("Start", m.StartRequest(id=home.name, exec_id=exec_id), m.StartResponse)
            _write_pid(options, started.pid)
            return 0
        code = foreground.Foreground(remote, home.name, exec_id).wait(lambda pid: _write_pid(options, pid), master)
    except ReaperError:
        _forget(remote, home.name, exec_id)
        raise
    _forget(remote, home.name, exec_id)
    return code


def _check_console(options: "argparse.Namespace", *, terminal: bool) -> None:
    if options.console_socket and not terminal:
        raise InvalidArgument("--console-socket is for a process with a terminal: add --tty")
    if terminal and options.detach and not options.console_socket:
        raise InvalidArgument("--tty with --detach needs a --console-socket that takes the terminal's other side")


def _create(
    remote: Supervisor, home: "Home", options: "argparse.Namespace", exec_id: str, process: "dict[str, Any]"
) -> int:
    """Have the process prepared, with our streams; gives the master side of its terminal, -1 if it is not ours."""
    ours, streams = _streams(options, terminal=process["terminal"])
    held = hand_over(home.socket(DESCRIPTORS), exec_id, (*streams, *lifecycle.preserved(options.preserve_fds)))
    if process["terminal"]:
        os.close(streams[0])
    request = m.ExecProcessRequest(
        id=home.name,
        exec_id=exec_id,
        terminal=process["terminal"],
        stdin=named(exec_id).stdin,
        spec=m.Any(type_url=_PROCESS, value=json.dumps(process).encode()),
    )
    remote.call("Exec", request, m.Empty)
    held.close()
    return -1 if ours is None else foreground.receive_master(ours)


def _streams(options: "argparse.Namespace", *, terminal: bool) -> "tuple[socket.socket | None, tuple[int, ...]]":
    """What is handed over: our streams, or a console socket; and its other end if that is ours."""
    if not terminal:
        return None, lifecycle.standard_streams()
    if options.console_socket:
        return None, (connect_console(options.console_socket),)
    ours, console = foreground.console_pair()
    return ours, (console,)


def process_of(options: "argparse.Namespace", bundle: str) -> "dict[str, Any]":
    """The process to execute: of --process, or the bundle's with what the flags say; raises InvalidArgument."""
    if options.process:
        if options.command:
            raise InvalidArgument("give either --process or a command, not both")
        return _load(options.process)
    if not options.command:
        raise InvalidArgument("no command given: name the program to execute, or a file with --process")
    process: dict[str, Any] = dict(_load(os.path.join(bundle, "config.json")).get("process") or {})
    process["args"] = options.command
    process["terminal"] = options.tty
    process["env"] = [*(process.get("env") or []), *options.env]
    if options.cwd:
        process["cwd"] = options.cwd
    if options.user:
        process["user"] = _user(options.user)
    if options.additional_gids:
        process["user"] = {**(process.get("user") or {}), "additionalGids": options.additional_gids}
    if options.no_new_privs:
        process["noNewPrivileges"] = True
    return process


def _user(text: str) -> "dict[str, int]":
    uid, colon, gid = text.partition(":")
    if not uid.isdecimal() or (colon and not gid.isdecimal()):
        raise InvalidArgument(f"--user {text!r} is not UID or UID:GID in numbers")
    return {"uid": int(uid), "gid": int(gid or 0)}


def _load(path: str) -> "dict[str, Any]":
    try:
        with open(path) as file:
            data = json.load(file)
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidBundle(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise InvalidBundle(f"{path} must hold a JSON object")
    return data


def _write_pid(options: "argparse.Namespace", pid: int) -> None:
    if options.pid_file:
        lifecycle.write_pid_file(options.pid_file, pid)


def _forget(remote: Supervisor, container: str, exec_id: str) -> None:
    try:
        remote.call("Delete", m.DeleteRequest(id=container, exec_id=exec_id), m.DeleteResponse)
    except ReaperError:
        return  # it went with its container
