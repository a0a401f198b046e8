"""dpkg's own records inside a base archive: which files a program needs beside its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# /lib and its like are links into /usr in every Debian since bookworm, while packages still name the old paths.
_MERGED = re.compile(r"^/(bin|lib|lib64|sbin)(?=/|$)")


@dataclass
class Records:
    """What /var/lib/dpkg says: the dependencies and the files of each package."""

    depends: dict[str, list[str]] = field(default_factory=dict)
    provides: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)

    def add_status(self, status: str) -> None:
        """Read /var/lib/dpkg/status."""
        for paragraph in status.split("\n\n"):
            fields: dict[str, str] = dict(re.findall(r"^([A-Za-z-]+): *(.*)$", paragraph, re.MULTILINE))
            name = fields.get("Package")
            if name:
                self.depends[name] = _first_alternatives(fields.get("Depends", ""))
                self.provides |= dict.fromkeys(_first_alternatives(fields.get("Provides", "")), name)

    def add_list(self, file_name: str, content: str) -> None:
        """Read one /var/lib/dpkg/info/NAME[:ARCH].list."""
        package = file_name.removesuffix(".list").split(":")[0]
        self.files[package] = content.split("\n")

    def closure(self, *packages: str) -> set[str]:
        """The packages with everything that they depend on."""
        found: set[str] = set()
        waiting = list(packages)
        while waiting:
            name = waiting.pop()
            name = name if name in self.depends else self.provides.get(name, name)
            if name in self.depends and name not in found:
                found.add(name)
                waiting += self.depends[name]
        return found

    def paths(self, *packages: str) -> set[str]:
        """Where the files of these packages really lie, their dependencies included."""
        return {
            _MERGED.sub(r"/usr/\1", path)
            for package in self.closure(*packages)
            for path in self.files.get(package, ())
            if path.startswith("/") and path != "/."
        }


def _first_alternatives(relation: str) -> list[str]:
    """`a (>= 1), b | c, d:any` as a, b, d: what is installed is what was named first, or is provided."""
    names = (part.split("|")[0].split("(")[0].strip() for part in relation.split(","))
    return [name.split(":")[0] for name in names if name]
