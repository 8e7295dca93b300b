"""Files of a phone: a wav to be said as A-law, what was heard as a wav. G.711 itself is ops/audio.py."""

from __future__ import annotations
