"""What the node agent is told, which reads nothing else: which process is a ReaperTask's now.

One file for each Pod of a ReaperTask, at /run/reaper/tasks/<containerd namespace>@<sandbox id>.
"""

import os

from reaper_runtime.host import file


class TaskProcess:
    """The process of a ReaperTask, and whose it is: of which Pod, by name and UID, and of which task, as that Pod says.

    overlay: the name of the overlay that it sees, "" where it sees the node's own files.
    """

    __slots__ = ("namespace", "overlay", "pid", "pod", "pod_uid", "start_time", "task")

    def __init__(
        self, pid: int, start_time: int, *, namespace: str, pod: str, pod_uid: str, task: str, overlay: str
    ) -> None:
        self.pid = pid
        self.start_time = start_time
        self.namespace = namespace
        self.pod = pod
        self.pod_uid = pod_uid
        self.task = task
        self.overlay = overlay

    @property
    def text(self) -> str:
        """As the node agent reads it: a name and a value a line."""
        return "".join(f"{name} {getattr(self, name)}\n" for name in self.__slots__)


class TaskFile:
    """The file of one Pod."""

    def __init__(self, path: str) -> None:
        self._path = path

    def write(self, process: TaskProcess) -> None:
        """Tell which process is the task's now, in the place of an earlier one, as a whole; raises OSError."""
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        file.replace(self._path, process.text)

    def forget(self) -> None:
        """The pod is over: its task has no process here. Harmless if it was not a task's."""
        for left in (self._path, f"{self._path}~"):
            try:
                os.unlink(left)
            except FileNotFoundError:
                continue
