"""A ReaperTask on this machine, without a cluster: what operator and kubelet would do, as far as a process sees it."""
