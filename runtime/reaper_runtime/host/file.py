"""A file that others read while it is written: they see the whole of it, as it was or as it is. Built-ins only."""

import os


def replace(path: str, text: str) -> None:
    """Write it beside, at path~, and rename it; raises OSError. Who is killed meanwhile leaves path~ behind."""
    temporary = f"{path}~"
    with open(temporary, "wb") as file:  # as bytes: a file of text is memory of each shim (docs/decisions/0002)
        file.write(text.encode())
    os.rename(temporary, path)
