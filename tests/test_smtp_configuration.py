"""From settings to listeners: ports, certificates, and what is refused at the start."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.core.management import CommandError, call_command

from campaigns.models import Lane
from campaigns.smtp.certificates import Certificate, make_self_signed
from campaigns.smtp.configuration import configured_limits, configured_listeners, make_listeners
from config import checks
from tests.smtp_door import open_door


def ids() -> list[str | None]:
    return [found.id for found in checks.check_smtp()]


def write_pair(folder: Path) -> tuple[Path, Path]:
    pair = trustme.CA().issue_cert("smtp.example.com")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in pair.cert_chain_pems))
    key.write_bytes(pair.private_key_pem.bytes())
    key.chmod(0o600)
    return certificate, key


def test_every_port_that_is_set_is_a_listener(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR, settings.SMTP_HOST = tmp_path, "*"
    settings.SMTP_PORT, settings.SMTP_TLS_PORT, settings.SMTP_PLAIN_PORT, settings.SMTP_HIPAA_PORT = 1, 2, 3, 4
    listeners, certificate = make_listeners(configured_listeners())
    assert [(entry.host, entry.port) for entry in listeners] == [("", 1), ("", 2), ("127.0.0.1", 3), ("", 4)]
    starttls, tls, plain, hipaa = (entry.entrance for entry in listeners)
    assert certificate is not None
    assert starttls.tls is tls.tls is hipaa.tls is certificate.context
    assert (starttls.is_encrypted, tls.is_encrypted, hipaa.is_encrypted) == (False, True, True)
    assert (plain.tls, plain.may_be_plain) == (None, True)
    assert [entry.may_be_plain for entry in (starttls, tls, hipaa)] == [False] * 3
    assert [entry.lane for entry in (starttls, tls, plain, hipaa)] == [Lane.STANDARD] * 3 + [Lane.HIPAA]


def test_without_a_port_there_is_no_smtp(settings: Any) -> None:
    settings.SMTP_PORT = settings.SMTP_TLS_PORT = settings.SMTP_PLAIN_PORT = settings.SMTP_HIPAA_PORT = 0
    assert configured_listeners() == []
    with pytest.raises(CommandError, match="No SMTP port is set"):
        call_command("smtpd")


def test_the_limit_on_a_mail_is_that_of_the_installation_sm_04(settings: Any) -> None:
    settings.MAX_MESSAGE_BYTES, settings.SMTP_MAX_CONNECTIONS = 7_000_000, 7
    limits = configured_limits()
    assert (limits.message_bytes, limits.connections) == (7_000_000, 7)


def test_no_tls_below_12_su_01(tmp_path: Path) -> None:
    context = Certificate(*write_pair(tmp_path)).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    certificate = Certificate(*write_pair(tmp_path))
    assert not certificate.refresh()
    for file in write_pair(tmp_path):
        os.utime(file, (1, 1))
    assert certificate.refresh()
    assert not certificate.refresh()


def test_a_half_renewed_pair_keeps_the_old_one(tmp_path: Path) -> None:
    certificate_file, key_file = write_pair(tmp_path)
    certificate = Certificate(certificate_file, key_file)
    old = key_file.read_bytes()
    write_pair(tmp_path)
    key_file.write_bytes(old)
    os.utime(key_file, (1, 1))
    with pytest.raises(ssl.SSLError):
        certificate.refresh()
    with pytest.raises(ssl.SSLError):
        # It is tried again, until both files are there.
        certificate.refresh()


def test_a_certificate_of_ones_own_is_made_once(tmp_path: Path) -> None:
    first = [file.read_bytes() for file in make_self_signed(tmp_path, hostname="127.0.0.1")]
    assert [file.read_bytes() for file in make_self_signed(tmp_path, hostname="127.0.0.1")] == first


def test_e020_passwords_in_the_clear(settings: Any) -> None:
    settings.SMTP_PLAIN_PORT = 25
    assert ids() == []
    settings.LOCAL = False
    assert ids() == ["sealpost.E020"]


def test_e021_ports_without_a_certificate(settings: Any, tmp_path: Path) -> None:
    settings.LOCAL, settings.SMTP_PORT, settings.SMTP_PLAIN_PORT = False, 587, 0
    assert ids() == ["sealpost.E021"]
    certificate, key = write_pair(tmp_path)
    settings.SMTP_TLS_CERT = str(certificate)
    assert ids() == ["sealpost.E021"]
    settings.SMTP_TLS_KEY = str(key)
    assert ids() == []
    settings.SMTP_TLS_KEY = str(tmp_path / "missing.pem")
    assert ids() == ["sealpost.E021"]


def test_e022_a_key_everybody_can_read(settings: Any, tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path)
    settings.SMTP_TLS_CERT, settings.SMTP_TLS_KEY = str(certificate), str(key)
    key.chmod(0o644)
    assert ids() == ["sealpost.E022"]


def test_the_server_ends_cleanly_when_it_is_told_to() -> None:
    with open_door():
        pass
