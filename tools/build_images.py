"""Build the container images reaper-operator:dev and reaper-node:dev, without a base image.

Nothing is pulled: Debian packages, locked Python packages and our own files are put into a build
context each, and `docker build` copies them. An image carries the hash of what it is made of, so
one that is there is not built again, and one that was built before, by any checkout on this
machine, is loaded from the cache.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import image_context
from debian import DebianError, cache_directory

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
LABEL = "io.reaper.content"
_KEPT = 2  # archives of an image in the cache: this one, and the one before it


class ImageError(Exception):
    """An image could not be built; the message says what to do."""


@dataclass(frozen=True)
class Image:
    """One image: what it is made of, and how its context is filled."""

    name: str
    dockerfile: Path
    inputs: tuple[Path, ...]
    fill: Callable[[Path, Path], None]


IMAGES = (
    Image(
        "reaper-operator",
        ROOT / "operator" / "Dockerfile",
        (ROOT / "locks" / "operator.txt", ROOT / "api" / "reaper_api", ROOT / "operator" / "reaper_operator"),
        image_context.fill_operator,
    ),
    Image(
        "reaper-node",
        ROOT / "node" / "Dockerfile",
        (ROOT / "build" / "runtime", ROOT / "node" / "reaper_node"),
        image_context.fill_node,
    ),
)
_RECIPES = tuple(ROOT / "tools" / name for name in ("image_context.py", "build_runtime.py", "debian.py"))


def content_hash(paths: tuple[Path, ...]) -> str:
    """A hash over names, modes and contents of files and folders; times and caches do not count."""
    digest = hashlib.sha256()
    for top in paths:
        if not top.exists():
            raise ImageError(f"{top.relative_to(ROOT)} is missing: {_how_to_make(top)}")
        files = sorted(path for path in top.rglob("*") if not path.is_dir()) if top.is_dir() else [top]
        for file in files:
            if "__pycache__" in file.parts and top.name != "runtime":
                continue
            name = file.relative_to(top) if file != top else file.name
            content = str(file.readlink()).encode() if file.is_symlink() else file.read_bytes()
            digest.update(f"{name}\0{file.lstat().st_mode:o}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:32]


def _how_to_make(path: Path) -> str:
    return "build it with `make runtime`" if path.name == "runtime" else "is this a whole checkout?"


def ensure(image: Image, tag: str) -> str:
    """Have `image` in the Docker daemon under `tag`; one word for how it came there."""
    reference = f"{image.name}:{tag}"
    wanted = content_hash((image.dockerfile, *image.inputs, *_RECIPES))
    if _label(reference) == wanted:
        return "up to date"
    archive = cache_directory() / "images" / f"{image.name}-{wanted}.tar"
    by_content = f"{image.name}:{wanted}"
    if _label(by_content) != wanted and archive.exists():
        _docker("load", "--quiet", "--input", str(archive))
    how = "loaded from the cache"
    if _label(by_content) != wanted:
        _build(image, by_content, wanted)
        _save(by_content, archive)
        how = "built"
    previous = _id(reference)
    _docker("tag", by_content, reference)
    _docker("rmi", by_content)  # only the name: the image stays under its tag
    if previous and previous != _id(reference):
        _forget(previous)
    return how


def _build(image: Image, reference: str, content: str) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{image.name}-") as scratch:
        context = Path(scratch)
        context.chmod(0o755)
        image.fill(ROOT, context)
        shutil.copyfile(image.dockerfile, context / "Dockerfile")
        _docker("build", "--quiet", "--label", f"{LABEL}={content}", "--tag", reference, str(context))
    try:
        # An image that does not start, because a library or a module is missing, is worth nothing.
        _docker("run", "--rm", "--read-only", "--network", "none", reference, "--help")
    except ImageError:
        _docker("rmi", reference)
        raise


def _save(reference: str, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(f".{os.getpid()}.partial")
    _docker("save", "--output", str(partial), reference)
    partial.replace(archive)
    name = reference.partition(":")[0]
    older = sorted(archive.parent.glob(f"{name}-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in older[_KEPT:]:
        path.unlink(missing_ok=True)


def _id(reference: str) -> str:
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", reference]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip()


def _forget(image: str) -> None:
    """Remove an image that lost its name to a newer one. Where a container still uses it, it stays, rightly."""
    subprocess.run(["docker", "image", "rm", image], check=False, capture_output=True)


def _label(reference: str) -> str:
    command = ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', reference]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def _docker(*arguments: str) -> str:
    # The classic builder comes with every Docker; BuildKit is a plug-in that may be missing.
    environment = {**os.environ, "DOCKER_BUILDKIT": os.environ.get("DOCKER_BUILDKIT", "0")}
    command = ["docker", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise ImageError(f"$ {' '.join(command)}\n{done.stderr.strip()}")
    return done.stdout


def _require_docker() -> None:
    if shutil.which("docker") is None:
        raise ImageError("docker is not installed: run `make cluster`, which brings it, or install Docker")
    done = subprocess.run(["docker", "info"], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise ImageError("no Docker daemon answers: start one, or run `make cluster`, which does")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", default="dev", help="tag of the images (default: dev)")
    parser.add_argument("names", nargs="*", metavar="IMAGE", help="reaper-operator, reaper-node (default: both)")
    options = parser.parse_args()
    unknown = set(options.names) - {image.name for image in IMAGES}
    if unknown:
        parser.error(f"there is no image {', '.join(sorted(unknown))}")
    try:
        _require_docker()
        for image in IMAGES:
            if not options.names or image.name in options.names:
                begin = time.monotonic()
                how = ensure(image, options.tag)
                print(f"{image.name}:{options.tag} {how} ({time.monotonic() - begin:.1f} s)", flush=True)
    except (ImageError, DebianError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
