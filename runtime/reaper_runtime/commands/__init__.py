"""The commands of the OCI runtime specification, and what an administrator asks on a node."""
