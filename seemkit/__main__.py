"""``python -m seemkit``: the same as the command ``seemkit``."""

import sys

from seemkit.cli.main import main

sys.exit(main())
