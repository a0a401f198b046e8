"""Pictures of the terminal for docs/, taken of real commands on a real cluster: `make screens`."""
