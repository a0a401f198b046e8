"""The cluster from nothing to working, and back to nothing. Every step looks first and acts only where it must."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.errors import ClusterError, CommandFailed
from cluster.host.polling import eventually
from cluster.kube.health import Kubectl, problem
from cluster.kube.kind import LABEL, render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cluster.docker.client import Docker, Info
    from cluster.docker.daemon import Daemon
    from cluster.host import Host
    from cluster.kube.kind import Kind, Node
    from cluster.provider import Built, Provider, Stock
    from cluster.tools import Tools

_WORKS_WITHIN = 180.0  # seconds for a cluster just made
_RECOVERS_WITHIN = 45.0  # for one that was made before: somebody may be restarting containerd right now


@dataclass(frozen=True)
class Cluster:
    host: Host
    docker: Docker
    daemon: Daemon
    kind: Kind
    tools: Tools
    stock: Stock
    built: Built
    kubeconfig: Path

    def up(self, workers: int | None, choose: Callable[[], Provider]) -> None:
        """A working cluster; `workers` is None where any number will do."""
        self.tools.ensure()
        info = self.daemon.ensure()
        nodes = self.kind.nodes()
        if nodes:
            reason = self._unusable(nodes, workers)
            if reason is None:
                self.host.console.say(f"==> cluster `{self.kind.name}` is up: {len(nodes)} nodes, {_image(nodes)}")
                return
            with self.host.console.step(f"removing cluster `{self.kind.name}`: {reason}"):
                self.kind.delete()
        provider = choose()
        provider.provide()
        self._create(provider, 1 if workers is None else workers, info)

    def down(self) -> None:
        """Nothing left running, and nothing left of `up` outside the cache."""
        if self.daemon.died():
            self.daemon.ensure()  # only a daemon can end the containers that outlived one
        if self.docker.info():
            if self.kind.nodes():
                with self.host.console.step(f"deleting cluster `{self.kind.name}`"):
                    self.kind.delete()
            self._tidy_docker()
        stopped = self.daemon.stop()
        self.kubeconfig.unlink(missing_ok=True)
        self.tools.remove()
        daemon = "our Docker daemon is stopped" if stopped else "no Docker daemon of ours is running"
        self.host.console.say(f"==> no cluster `{self.kind.name}`; {daemon}; the cache stays in {self.host.cache.root}")

    def status(self) -> bool:
        """Say what there is; whether the cluster works."""
        say = self.host.console.say
        info = self.docker.info()
        owner = "ours" if self.daemon.ours() else "not ours"
        say(f"docker:     {f'answers ({owner}, {info.driver}, cgroup v{info.cgroup})' if info else 'does not answer'}")
        nodes = self.kind.nodes() if info else []
        for node in nodes:
            say(f"node:       {node.name} {'runs' if node.running else 'is stopped'}, {node.image}")
        reason = problem(self._kubectl(), nodes) if nodes else "there is none"
        say(f"cluster:    {reason or 'works'}")
        say(f"kubeconfig: {self.kubeconfig if self.kubeconfig.exists() else 'not there'}")
        say(f"cache:      {self.host.cache.root}")
        return reason is None

    def _create(self, provider: Provider, workers: int, info: Info) -> None:
        title = f"creating cluster `{self.kind.name}` with {workers} worker{'s' * (workers != 1)}"
        with self.host.console.step(title) as step:

            def show(line: str) -> None:
                step.note = line.strip() or step.note

            try:
                self._kind_create(provider, workers, info, show)
                nodes = self.kind.nodes()
                step.note = "waiting until DNS and services work on every node"
                self._await(nodes)
                self.kind.mark_finished(nodes)
            except KeyboardInterrupt:
                self.host.console.say("    interrupted: removing the half-made cluster")
                self.kind.delete()
                raise
        self.host.console.say(f"==> cluster `{self.kind.name}` is up: {len(nodes)} nodes, {_image(nodes)}")

    def _kind_create(self, provider: Provider, workers: int, info: Info, show: Callable[[str], None]) -> None:
        config = render(workers, self.host.machine, info)
        self.kubeconfig.unlink(missing_ok=True)
        try:
            self.kind.create(provider.reference, config, info.driver, self.kubeconfig, show)
        except CommandFailed as error:
            sentence = f"{error}: kind's last lines, above, say at which step; run `up` again to start anew"
            raise ClusterError(sentence, error.detail) from error

    def _unusable(self, nodes: list[Node], workers: int | None) -> str | None:
        """Why the cluster that is there must be made anew; None when it need not."""
        reason = unfit(nodes, workers, {self.stock.reference, self.built.reference})
        if reason:
            return reason
        if not self.kind.finished(nodes):
            return "it was never finished"
        self._write_kubeconfig()
        reason = problem(self._kubectl(), nodes)
        if reason:
            with self.host.console.step(f"waiting for the cluster: {reason}"):
                eventually(lambda: problem(self._kubectl(), nodes) is None, within=_RECOVERS_WITHIN, every=1)
            reason = problem(self._kubectl(), nodes)
        return reason

    def _await(self, nodes: list[Node]) -> None:
        last: str | None = None

        def works() -> bool:
            nonlocal last
            last = problem(self._kubectl(), nodes)
            return last is None

        if not eventually(works, within=_WORKS_WITHIN, every=0.5):
            raise ClusterError(
                f"the new cluster does not work after {_WORKS_WITHIN:.0f} s: {last}; look at it with "
                f"`docker exec {nodes[0].name} journalctl -u kubelet`, or run `up` again to make it anew"
            )

    def _write_kubeconfig(self) -> None:
        """Ours in this checkout, whichever checkout made the cluster; untouched when it is right."""
        content = self.kind.kubeconfig()
        if self.kubeconfig.exists() and self.kubeconfig.read_text() == content:
            return
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        partial = self.kubeconfig.with_name(".kubeconfig.partial")
        partial.touch(mode=0o600)
        partial.write_text(content)
        partial.replace(self.kubeconfig)

    def _kubectl(self) -> Kubectl:
        return Kubectl(self.host.runner, self.tools.path("kubectl"), self.kubeconfig)

    def _tidy_docker(self) -> None:
        run = self.host.runner.run
        others = run(["docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}"]).out
        if not others.strip():
            run(["docker", "network", "rm", "kind"], check=False)  # kind made it for its first cluster and leaves it
        if not self.daemon.ours():  # the store of our own daemon is part of the cache
            self.docker.remove_others(self.built.reference.partition(":")[0], "")


def unfit(nodes: list[Node], workers: int | None, images: set[str]) -> str | None:
    """What in the nodes themselves speaks against keeping them."""
    stopped = [node.name for node in nodes if not node.running]
    if stopped:
        return f"{', '.join(stopped)} is not running"
    found = sum(node.role == "worker" for node in nodes)
    if workers is not None and found != workers:
        return f"it has {found} workers and {workers} are asked for"
    if not any(node.role == "control-plane" for node in nodes):
        return "it was never finished"
    if not all(same_image(node.image, images) for node in nodes):
        return f"its node image is another one, {_image(nodes)}"
    return None


def same_image(image: str, accepted: set[str]) -> bool:
    """Whether an image is one of those accepted. A digest says it all: with one, the name in front may differ."""
    digests = {reference.partition("@")[2] for reference in accepted} - {""}
    return image in accepted or image.partition("@")[2] in digests


def _image(nodes: list[Node]) -> str:
    return nodes[0].image.partition("@")[0]
