"""`python -m cotangent`."""

import sys

from cotangent.cli import main

if __name__ == "__main__":
    sys.exit(main())
