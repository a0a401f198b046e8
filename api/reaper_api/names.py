"""Names and labels as Kubernetes has them. Nothing here takes time to load: reaper-validate has to answer at once."""

import re

MAX_NAME = MAX_LABEL_PREFIX = 253
MAX_LABEL_KEY = MAX_LABEL_PREFIX + 64
MAX_LABEL_VALUE = 63

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = f"{_LABEL}([.]{_LABEL})*"
NAME = f"^{_SUBDOMAIN}$"  # of most objects, nodes among them
DNS_LABEL = f"^{_LABEL}$"  # of namespaces, volumes and overlays
LABEL_KEY = f"^({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"
LABEL_VALUE = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"


def is_match(pattern: str, text: str) -> bool:
    """Whether all of `text` matches, as in CEL. re.search would take a newline at the end: `$` stands before it too."""
    return re.fullmatch(pattern, text) is not None


def is_object_name(name: object) -> bool:
    """Whether the API server takes it as metadata.name of a task or a Pod."""
    return isinstance(name, str) and len(name) <= MAX_NAME and is_match(NAME, name)


def is_label_key(key: str) -> bool:
    """Whether it is NAME or PREFIX/NAME."""
    return is_match(LABEL_KEY, key) and key.find("/") <= MAX_LABEL_PREFIX


def is_label_value(text: str) -> bool:
    """Whether it may be the value of a label."""
    return len(text) <= MAX_LABEL_VALUE and is_match(LABEL_VALUE, text)
