"""docs/tutorial.md as something that can be typed: on a cluster, by a test, and anew after a change."""
