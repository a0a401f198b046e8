"""Where the node image comes from: the stock one by pulling it, or ours, built from package registries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cluster.build.node_image import node_image, reference, slot
from cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster.build.programs import Programs
    from cluster.docker.client import Docker
    from cluster.host import Host
    from cluster.versions import Versions

CHOICE = "REAPER_NODE_IMAGE"  # `stock` or `built`, for somebody who wants to decide


class Provider(Protocol):
    """One way to a node image."""

    @property
    def reference(self) -> str:
        """The image's name in Docker, known before it is there."""

    def at_hand(self) -> bool:
        """Whether `provide` takes seconds: nothing to pull, nothing to build."""

    def provide(self) -> None:
        """See to it that Docker has the image."""


@dataclass(frozen=True)
class Stock:
    """kind's own image."""

    host: Host
    docker: Docker
    versions: Versions

    @property
    def reference(self) -> str:
        return self.versions.stock_image

    def at_hand(self) -> bool:
        return self.docker.image_id(self.reference) is not None

    def offered(self) -> bool:
        return self.docker.pullable(self.reference)

    def provide(self) -> None:
        if not self.at_hand():
            with self.host.console.step(f"pulling {self.reference.partition('@')[0]}"):
                self.docker.pull(self.reference)


@dataclass(frozen=True)
class Built:
    """Our image, from its archive in the cache."""

    host: Host
    docker: Docker
    versions: Versions
    programs: Programs

    @property
    def reference(self) -> str:
        return reference(slot(self.host, self.programs, self.versions), self.versions)

    def at_hand(self) -> bool:
        return slot(self.host, self.programs, self.versions).exists()

    def provide(self) -> None:
        image = node_image(self.host, self.programs, self.versions)
        # By id, not by name: a load that was interrupted, or another cache's image, may have the name.
        if self.docker.image_id(image.reference) != image.identity:
            with self.host.console.step(f"loading the node image {image.reference} into Docker"):
                self.docker.load(image.archive)
            self.docker.remove_others(image.reference.partition(":")[0], image.reference)


def choose(stock: Stock, built: Built, environ: Mapping[str, str]) -> Provider:
    """The stock image where it can be had; ours where it is at hand or the stock one cannot be had."""
    wanted = environ.get(CHOICE, "")
    if wanted not in ("", "stock", "built"):
        raise ClusterError(f"{CHOICE}={wanted}: it can be `stock` or `built`, or unset to let the machine decide")
    if wanted:
        return stock if wanted == "stock" else built
    if stock.at_hand():
        return stock
    if built.at_hand():
        return built
    return stock if stock.offered() else built
