"""The verbs of kubectl-reaper, one in each module."""
