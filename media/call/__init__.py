"""The call: a state table without I/O (`table.py`), and the thin shell that carries its commands out (`engine.py`)."""
