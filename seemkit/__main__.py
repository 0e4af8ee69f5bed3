"""``python -m seemkit``: the same as the command ``seemkit``."""

import sys

from seemkit.cli import main

sys.exit(main())
