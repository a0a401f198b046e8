"""Descriptors that were inherited."""

import os

# Not sysconf(SC_OPEN_MAX), which is 2^30 where systemd gives containerd what there is: before close_range(2) of Linux
# 5.9 each number is tried, and the start of a pod would wait for that for a minute.
_END = 1 << 20


def close_from(first: int) -> None:
    """Close all from this number on; those that are not open are no error."""
    os.closerange(first, _END)
