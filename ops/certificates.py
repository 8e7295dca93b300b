"""Certificates with which centres know each other: one authority for a country, one pair for each centre, by openssl.

The common name is the centre's name (federation.proto); it stands as DNS name as well, since gRPC checks the server by that. For a
laptop, tests and a first try; an operator with an authority of its own writes its files into `[federation]` instead.
"""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DAYS = 825
AUTHORITY = "authority"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class CertificateError(Exception):
    """openssl could not make it; the text is openssl's."""


@dataclass(frozen=True, slots=True)
class Pair:
    """PEM files."""

    certificate: Path
    private_key: Path


def authority(folder: Path) -> Pair:
    """The authority of all centres in `folder`, made once. Raises CertificateError, OSError."""
    with _alone(folder):
        return _authority(folder)


def issue(folder: Path, centre: str, host: str = "") -> Pair:
    """The pair of a centre, or of a role in one (`host`: its name in the
    certificate), signed by the authority of `folder`; both are made once. Raises CertificateError, OSError.

    What to write into the configuration: `certificate` and `private_key` of this pair, and `authority(folder).certificate`.
    """
    with _alone(folder):
        signer, pair = _authority(folder), _pair(folder, centre)
        if not _there(pair):
            request, names = folder / f"{centre}.csr", folder / f"{centre}.ext"
            names.write_text(f"subjectAltName=DNS:{host or centre}\nextendedKeyUsage=serverAuth,clientAuth\n", encoding="utf-8")
            _openssl("req", "-new", *_KEY, "-subj", f"/CN={host or centre}", "-keyout", pair.private_key, "-out", request)
            signed = ("-CA", signer.certificate, "-CAkey", signer.private_key, "-CAcreateserial", "-extfile", names)
            _openssl("x509", "-req", "-in", request, *signed, "-days", str(DAYS), "-out", pair.certificate)
            pair.private_key.chmod(0o600)
            request.unlink()
            names.unlink()
        return pair


def _authority(folder: Path) -> Pair:
    pair = _pair(folder, AUTHORITY)
    if not _there(pair):
        usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        words = ("-x509", *_KEY, "-days", str(DAYS), "-subj", "/CN=Tierline centres", *usage)
        _openssl("req", *words, "-keyout", pair.private_key, "-out", pair.certificate)
        pair.private_key.chmod(0o600)
    return pair


def _pair(folder: Path, name: str) -> Pair:
    return Pair(folder / f"{name}.pem", folder / f"{name}.key")


def _there(pair: Pair) -> bool:
    return pair.certificate.exists() and pair.private_key.exists()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Several centres of one machine may start at once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _openssl(*words: str | Path) -> None:
    made = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    if made.returncode:
        raise CertificateError(f"openssl could not make a certificate: {made.stderr.strip()}")
