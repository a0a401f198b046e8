"""$(NAME) in commands, arguments and variables, as kubelet replaces it. Pure.

Source: kubernetes/third_party/forked/golang/expansion/expand.go: $(NAME) of a variable that is known, $$ for $, and
everything else as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with its references replaced."""

    def replacement(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return variables.get(found["name"], found[0])

    return _REFERENCE.sub(replacement, text)
