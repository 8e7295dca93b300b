"""The page's dictionaries, for what the server itself writes for people."""

from __future__ import annotations

import json
from functools import cache

from console.api.pages import WEB

LANGUAGES = tuple(sorted(path.stem for path in (WEB / "i18n").glob("*.json")))


@cache
def words(language: str) -> dict[str, str]:
    """The dictionary of one of LANGUAGES."""
    read: dict[str, str] = json.loads((WEB / "i18n" / f"{language}.json").read_text(encoding="utf-8"))
    return read
