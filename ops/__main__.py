"""`python -m ops`: the command `tierline` where its script is not on the path."""

from __future__ import annotations

import sys

from ops.cli import main

sys.exit(main())
