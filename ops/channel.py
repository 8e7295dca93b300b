"""A gRPC channel to a router of the own centre: over a Unix socket, or with mutual TLS between machines (ops/inner.py)."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from ops import inner
from ops.inner import Identity

Option = tuple[str, int | str]


def channel_to(router: str, role: str, identity: Identity | None, options: Sequence[Option]) -> grpc.aio.Channel:
    """As `role` to one of CentreConfig.routers. Raises OSError for a certificate that cannot be read."""
    address = inner.target(router, role)
    if identity is None:
        return grpc.aio.insecure_channel(address, options=options)
    pems = (path.read_bytes() for path in (identity.authority, identity.private_key, identity.certificate))
    shown = ("grpc.ssl_target_name_override", inner.certificate_name(inner.ROUTER))
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(*pems), options=(*options, shown))
