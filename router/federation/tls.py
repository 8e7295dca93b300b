"""Mutual TLS between centres: certificates of a common authority whose common name is the centre's name (docs/adr/1001)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from ops.centre import CentreConfig

OPTIONS = (
    ("grpc.keepalive_time_ms", 1000),  # a link that was cut is seen within two seconds, also when nothing is sent
    ("grpc.keepalive_timeout_ms", 1000),
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.ping_timeout_ms", 2000),  # the keepalive time-out alone does not see a peer whose kernel still acknowledges
    ("grpc.http2.bdp_probe", 0),  # frames are small: a ping after each to measure the bandwidth would double the work
)


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM texts."""

    certificate: bytes
    private_key: bytes
    authority: bytes

    def server(self) -> grpc.ServerCredentials:
        """Only who has a certificate of the authority may connect."""
        return grpc.ssl_server_credentials([(self.private_key, self.certificate)], self.authority, require_client_auth=True)

    def channel(self, target: str, peer: str) -> grpc.aio.Channel:
        """To the centre `peer`, which must show a certificate of that name."""
        credentials = grpc.ssl_channel_credentials(self.authority, self.private_key, self.certificate)
        again = (
            ("grpc.ssl_target_name_override", peer),
            ("grpc.max_reconnect_backoff_ms", 2000),
            ("grpc.initial_reconnect_backoff_ms", 200),
        )
        return grpc.aio.secure_channel(target, credentials, options=(*OPTIONS, *again))


def identity(config: CentreConfig) -> Identity:
    """The files that the configuration names; relative ones lie beside it. Raises OSError."""
    given = config.federation
    folder = config.path.parent
    return Identity(*((folder / Path(name)).read_bytes() for name in (given.certificate, given.private_key, given.authority)))


def common_name(auth: Mapping[str, Iterable[bytes]]) -> str:
    """Of the certificate that the other side showed, "" if it showed none."""
    return next((name.decode() for name in auth.get("x509_common_name") or ()), "")
