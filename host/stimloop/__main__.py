"""``python -m stimloop``."""

import sys

from stimloop.cli import main

sys.exit(main())
