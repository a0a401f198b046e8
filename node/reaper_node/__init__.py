"""The DaemonSet: puts the runtime on a node, checks it, takes it off; tells which process of the node a task is."""
