"""What can go wrong on a node, in words that an administrator can act on."""

from __future__ import annotations

from pathlib import Path


class NodeError(Exception):
    """A step failed. The message says what, where, and what to do.

    `reason` is one CamelCase word: it becomes the reason of the Event and the start of the Node's
    annotation, so that a cluster's administrator can tell failures apart without reading logs.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class CommandError(NodeError):
    """A program of the host could not be run, or ended with an error."""

    def __init__(self, command: str, code: int | None, stdout: str, stderr: str) -> None:
        how = "did not run" if code is None else f"ended with exit code {code}"
        detail = stderr.strip() or stdout.strip() or "no output"
        super().__init__("CommandFailed", f"`{command}` {how} on the node: {detail}")
        self.code = code
        self.stdout = stdout


class ApiError(NodeError):
    """The API server refused, or could not be reached (`status` 0)."""

    def __init__(self, request: str, status: int, detail: str) -> None:
        what = f"answered {status}" if status else "could not be reached"
        super().__init__("ApiRequestFailed", f"the API server {what} for {request}: {detail}")
        self.status = status


class FileError(NodeError):
    """A file could not be read or written. Files of the node are named as the node names them, without `root`."""

    def __init__(self, error: OSError, root: str) -> None:
        name = error.filename2 or error.filename  # the second one is the target of a copy or a rename
        if name is None:
            detail = str(error)
        elif Path(name).is_relative_to(root):
            detail = f"{Path('/', Path(name).relative_to(root))} on the node: {error.strerror}"
        else:
            detail = f"{name}: {error.strerror}"
        super().__init__("NodeFileError", f"cannot read or write {detail}")
