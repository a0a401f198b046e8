"""The node's part of Reaper: fork server, containerd shim and OCI commands. Standard library only."""

__version__ = "0.1.0"
