"""Writes docs/openapi.json: `python -m tests.console.write_openapi`."""

from __future__ import annotations

import json

from console.api.server import openapi
from tests.browser.house import ROOT

if __name__ == "__main__":
    text = json.dumps(openapi(), ensure_ascii=False, indent=1) + "\n"
    (ROOT / "docs" / "openapi.json").write_text(text, encoding="utf-8")
