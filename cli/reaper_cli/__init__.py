"""What runs on a person's machine: kubectl-reaper and reaper-validate."""
