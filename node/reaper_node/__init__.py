"""The DaemonSet: puts the runtime on a node, checks it, takes it off."""
