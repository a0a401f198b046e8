"""A control plane without nodes: etcd, API server and controller manager on loopback, that can be stopped and started.

For what a cluster that others use cannot be asked for: an API server that restarts, an audit log of every write, users
of one's own, thousands of objects. The programs are those that the node image is made of.
"""

from __future__ import annotations

import json
import secrets
import signal
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PATIENCE = 60.0  # seconds until a part answers
_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
  - level: Metadata
    userGroups: [reaper-operators]
  - level: Metadata  # whom tests/bench sets beside the operator
    users: ["system:serviceaccount:kube-system:job-controller"]
"""
_READS = frozenset({"get", "list", "watch"})


@dataclass(frozen=True)
class Request:
    """A request that the API server has answered."""

    user: str
    verb: str
    resource: str  # with its subresource: pods/status
    namespace: str
    name: str
    code: int
    received: float  # seconds since the epoch
    answered: float

    @property
    def done(self) -> bool:
        return self.code < 300


class Part:
    """One program in the background."""

    def __init__(self, folder: Path, program: Path, *arguments: str) -> None:
        self._command = [str(program), *arguments]
        self._log = folder / f"{program.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """Of a program that was started."""
        assert self._process is not None
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def ended(self) -> str | None:
        """What a program that ended by itself had to say."""
        if self._process is None or self._process.poll() is None:
            return None
        return f"{self._command[0]} has ended: {self._log.read_text()[-2000:]}"


class ControlPlane:
    """Made with the folders of the programs; everything else is in `folder`."""

    def __init__(
        self,
        folder: Path,
        kubernetes: Path,
        etcd: Path,
        users: Mapping[str, str],
        *,
        plugins: Sequence[str] = (),
        flags: Sequence[str] = (),
        controllers: Sequence[str] = (),
    ) -> None:
        """`users` and their groups. There is one more, `admin`. `plugins` of admission beyond the usual ones. `flags`:
        more of the API server. `controllers`: more flags of the controller manager."""
        self._folder = folder
        self._tokens = {name: secrets.token_hex(16) for name in ("admin", *users)}
        self._audit = folder / "audit.log"
        self._read = 0  # bytes of it
        self._requests: list[Request] = []
        self.port, peers, clients = free_port(), free_port(), free_port()
        self._write_files({"admin": "system:masters", **users})
        for name in ("kube-apiserver", "kube-controller-manager"):
            (folder / name).symlink_to(kubernetes / "hyperkube")
        self.etcd = Part(folder, etcd / "etcd", *_etcd(folder, clients, peers))
        self.api_server = Part(
            folder, folder / "kube-apiserver", *_api_server(folder, self.port, clients, plugins), *flags
        )
        self.controllers = Part(
            folder,
            folder / "kube-controller-manager",
            f"--kubeconfig={folder}/admin.kubeconfig",
            f"--service-account-private-key-file={folder}/sa.key",
            "--use-service-account-credentials=true",  # as kubeadm has it: each controller has only its own rights
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={folder}/controllers",
            *controllers,
        )

    def start(self) -> None:
        """Everything, from nothing; returns when it answers."""
        self.etcd.start()
        self.start_api_server()
        self.controllers.start()

    def stop(self) -> None:
        for part in (self.controllers, self.api_server, self.etcd):
            part.stop()

    def start_api_server(self) -> None:
        """It alone; returns when it answers."""
        self.api_server.start()
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            for part in (self.etcd, self.api_server):
                assert part.ended() is None, part.ended()
            assert time.monotonic() < deadline, "the API server does not answer"
            time.sleep(0.1)

    def kubeconfig(self, user: str = "admin", *, port: int | None = None) -> Path:
        """A user's way in; by `port` if there is something in between."""
        path = self._folder / f"{user}{'' if port is None else f'-{port}'}.kubeconfig"
        cluster = {
            "server": f"https://127.0.0.1:{port or self.port}",
            "certificate-authority": str(self._folder / "apiserver.crt"),
        }
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "control-plane", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": user, "context": {"cluster": "control-plane", "user": user}}],
            "current-context": user,
        }
        path.write_text(json.dumps(content))
        return path

    def writes(self, user: str | None = None) -> list[Request]:
        """All writes so far, or those of one user, in the order of their answers."""
        return [request for request in self.requests(user) if request.verb not in _READS]

    def requests(self, user: str | None = None) -> list[Request]:
        """The same with what is read, as far as it is an operator that reads: by the group reaper-operators."""
        with self._audit.open() as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith("\n"):
                    break  # half of it is still to come
                self._read += len(line.encode())
                self._requests.append(_request(json.loads(line)))
        return [request for request in self._requests if user in (None, request.user)]

    def _answers(self) -> bool:
        try:
            context = ssl.create_default_context(cafile=self._folder / "apiserver.crt")
            url = f"https://127.0.0.1:{self.port}/readyz"
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._tokens['admin']}"})
            with urllib.request.urlopen(request, timeout=2, context=context) as answer:  # noqa: S310 - https only
                return bool(answer.status == 200)
        except OSError:  # also what urllib and ssl raise, and a certificate that is not there yet
            return False

    def _write_files(self, groups: Mapping[str, str]) -> None:
        rows = [f'{self._tokens[name]},{name},{name},"{group}"\n' for name, group in groups.items()]
        (self._folder / "tokens.csv").write_text("".join(rows))
        (self._folder / "policy.yaml").write_text(_POLICY)
        self._audit.touch()
        subprocess.run(
            ["openssl", "genrsa", "-out", str(self._folder / "sa.key"), "2048"], check=True, capture_output=True
        )
        self.kubeconfig()


def _etcd(folder: Path, clients: int, peers: int) -> list[str]:
    client, peer = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"
    return [
        f"--data-dir={folder}/etcd-data",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def _api_server(folder: Path, port: int, etcd: int, plugins: Sequence[str]) -> list[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        f"--token-auth-file={folder}/tokens.csv",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder}/sa.key",
        f"--service-account-signing-key-file={folder}/sa.key",
        "--service-cluster-ip-range=10.250.0.0/24",
        f"--audit-policy-file={folder}/policy.yaml",
        f"--audit-log-path={folder}/audit.log",
        "--audit-log-maxsize=10000",  # MB: it is read on, and must not be another file of a sudden
        *([f"--enable-admission-plugins={','.join(plugins)}"] if plugins else []),
    ]


def _request(event: dict[str, Any]) -> Request:
    of = event.get("objectRef") or {}
    resource = of.get("resource", "")
    return Request(
        user=event["user"]["username"],
        verb=event["verb"],
        resource=f"{resource}/{of['subresource']}" if "subresource" in of else resource,
        namespace=of.get("namespace", ""),
        name=of.get("name", ""),
        code=(event.get("responseStatus") or {}).get("code", 0),
        received=datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
        answered=datetime.fromisoformat(event["stageTimestamp"]).timestamp(),
    )
