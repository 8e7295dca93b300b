"""Kamailio's routing script in Python. Modules without `import KSR` know no proxy and are tested alone."""
