"""Stand-ins for the world, with its rules and its faults."""
