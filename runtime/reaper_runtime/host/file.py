"""A file that others read while it is written: they see the whole of it, as it was or as it is. Built-ins only."""

import os


def replace(path: str, text: str) -> None:
    """Write it beside, at path~, and rename it; raises OSError. Who is killed meanwhile leaves path~ behind."""
    temporary = f"{path}~"
    with open(temporary, "w") as file:
        file.write(text)
    os.rename(temporary, path)
