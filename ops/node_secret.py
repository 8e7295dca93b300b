"""The secret by which media nodes prove to the edge of their centre who they are: one file in the state folder, read by both."""

from __future__ import annotations

import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path

FILE = "node-secret"


def node_secret(state: Path) -> str:
    """The secret, made by who asks first. On several machines the file is copied to each. Raises OSError."""
    path = state / FILE
    state.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        part = state / f".{FILE}-{os.getpid()}-{secrets.token_hex(4)}"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(secrets.token_hex(32))
        try:
            os.link(part, path)  # whole or not at all, and never over another's
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return path.read_text(encoding="ascii").strip()


def proof(secret: str, via: str) -> str:
    """What a node adds to its Via value `via` (which names the node and has a random branch), as the edge computes it, too."""
    return urlsafe_b64encode(hmac.digest(secret.encode(), via.encode(), "sha256")).decode().rstrip("=")
