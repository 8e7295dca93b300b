"""What every test may count on, whatever machine it runs on."""

from __future__ import annotations

import os

# Tests speak with the loopback alone. Whoever proves what a proxy does sets one.
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]
