"""The machine's parts in the cache: a folder of their own, as who locks the cluster's sweeps what is unfinished."""

from __future__ import annotations

import os

from cluster.host.cache import Cache, cache_root

CACHE = Cache(cache_root(os.environ) / "machine")
