"""See cli.py."""

import sys

from reaper_operator.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
