"""A real Kubernetes for the demo and the tests: `python -m cluster up`, see README.md in this folder."""
