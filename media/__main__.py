"""`python -m media --config F --index N`."""

import sys

from media.app import main

sys.exit(main())
