"""Docker: talking to a daemon, and having one of our own where there is none."""
