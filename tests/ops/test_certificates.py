"""Certificates of centres: ops/certificates.py."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ops import certificates
from ops.certificates import CertificateError


def said(*words: object) -> str:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False).stdout


def test_a_centre_is_known_by_its_name(tmp_path: Path) -> None:
    """Signed by the authority, for both ends of a connection, with the centre's name as common name and DNS name."""
    pair = certificates.issue(tmp_path / "tls", "hubei")
    signer = certificates.authority(tmp_path / "tls")
    assert "OK" in said("verify", "-CAfile", signer.certificate, pair.certificate)
    text = said("x509", "-in", pair.certificate, "-noout", "-subject", "-ext", "subjectAltName,extendedKeyUsage")
    assert "CN = hubei" in text and "DNS:hubei" in text
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in text


def test_pairs_are_made_once_and_keys_are_private(tmp_path: Path) -> None:
    """A second start finds the same files; only the owner reads the keys."""
    first, again = certificates.issue(tmp_path, "hubei"), certificates.issue(tmp_path, "hubei")
    assert first == again
    assert certificates.authority(tmp_path).private_key.stat().st_mode & 0o077 == 0
    assert first.private_key.stat().st_mode & 0o077 == 0
    assert first.certificate.read_text() == again.certificate.read_text()


def test_what_openssl_cannot_do_is_told(tmp_path: Path) -> None:
    """A common name longer than X.509 allows (64) is an error with openssl's words."""
    with pytest.raises(CertificateError, match="openssl could not make"):
        certificates.issue(tmp_path, "x" * 80)
