"""Signatures of mail we receive: made by other code than ours, checked by ours, and never believed by half."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.domains.dkim_checking import Checked, check_signatures
from campaigns.domains.lookup import Dns
from tests.dns_server import DnsServer

MAIL = (
    b"From: Ann  Example <ann@example.net>\r\nTo: bob@example.org\r\nSubject: A question\r\n\tand more \r\n"
    b"Date: Mon, 30 Nov 2026 10:00:00 +0000\r\n\r\nHello  there \r\n\t\r\nGr\xc3\xbc\xc3\x9fe\r\n\r\n\r\n"
)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED = ed25519.Ed25519PrivateKey.generate()
PEM = RSA.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
PUBLIC = base64.b64encode(
    RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
SEED = base64.b64encode(
    ED.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
)
ED_PUBLIC = base64.b64encode(
    ED.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
).decode()
HOLDS = Checked("pass", ("example.net",))


@pytest.fixture(scope="module")
def names() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.publish("s1._domainkey.example.net", [f"v=DKIM1; k=rsa; p={PUBLIC[:200]}", PUBLIC[200:]])
        server.publish("e1._domainkey.example.net", [f"v=DKIM1; k=ed25519; p={ED_PUBLIC}"])
        server.publish("gone._domainkey.example.net", ["v=DKIM1; p="])
        server.broken.add("down._domainkey.example.net")
        yield server


def sign(mail: bytes = MAIL, *, selector: str = "s1", domain: str = "example.net", **options: Any) -> bytes:
    key = SEED if options.get("signature_algorithm") == b"ed25519-sha256" else PEM
    return bytes(dkim.sign(mail, selector.encode(), domain.encode(), key, **options)) + mail


def check(names: DnsServer, mail: bytes, **moved: float) -> Checked:
    return check_signatures(mail, dns=Dns(names.resolver), now=timezone.now() + timedelta(**moved))


@pytest.mark.parametrize(
    "forms", [(head, body) for head in (b"simple", b"relaxed") for body in (b"simple", b"relaxed")]
)
def test_a_signature_holds_in_every_form(names: DnsServer, forms: tuple[bytes, bytes]) -> None:
    assert check(names, sign(canonicalize=forms)) == HOLDS
    assert check(names, sign(MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", canonicalize=forms)) == HOLDS
    assert check(names, sign(canonicalize=forms).replace(b"Hello", b"Hallo")).outcome == "fail"
    assert check(names, sign(canonicalize=forms).replace(b"A question", b"An answer")).outcome == "fail"


def test_a_signature_by_ed25519_holds(names: DnsServer) -> None:
    """RFC 8463."""
    assert check(names, sign(selector="e1", signature_algorithm=b"ed25519-sha256")) == HOLDS


def test_what_a_relay_may_change_does_not_matter_in_the_relaxed_form(names: DnsServer) -> None:
    signed = sign(canonicalize=(b"relaxed", b"relaxed"))
    assert check(names, b"Received: from a by b\r\n" + signed.replace(b"\tand more", b"   and   more")) == HOLDS


def test_several_signatures_count_each_for_its_own_domain(names: DnsServer) -> None:
    names.publish("s1._domainkey.list.example", [f"p={PUBLIC[:200]}", PUBLIC[200:]])
    both = sign(sign(), domain="list.example", include_headers=[b"from", b"subject"])
    assert check(names, both) == Checked("pass", ("list.example", "example.net"))


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ((b"d=example.net", b"d=example.com"), "fail"),
        ((b" s=s1", b" s=gone"), "fail"),
        ((b" s=s1", b" s=down"), "temperror"),
        ((b"a=rsa-sha256", b"a=rsa-sha1"), "fail"),
        ((b"v=1", b"v=1; l=10"), "fail"),
        ((b"v=1", b"v=1; v=1"), "fail"),
        ((b"v=1", b"v=1; x=1000"), "fail"),
        ((b"v=1", b"v=1; i=@evil.example"), "fail"),
        ((b"DKIM-Signature:", b"X-Signature:"), "none"),
    ],
)
def test_what_is_not_a_whole_signature_proves_nothing_dk_01(
    names: DnsServer, change: tuple[bytes, bytes], outcome: str
) -> None:
    assert check(names, sign().replace(*change, 1)).outcome == outcome


def test_a_second_from_breaks_a_signature_that_guards_it_dk_02(names: DnsServer) -> None:
    signed = sign(include_headers=[b"from", b"from", b"subject"])
    assert check(names, signed) == HOLDS
    assert check(names, b"From: evil@example.com\r\n" + signed).outcome == "fail"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=200))
def test_no_bytes_make_it_raise_or_pass(names: DnsServer, junk: bytes) -> None:
    for mail in (b"DKIM-Signature:" + junk + b"\r\n" + MAIL, sign().replace(b"bh=", b"bh=" + junk, 1), junk):
        found = check(names, mail)
        assert found.outcome != "pass" or not junk.strip(b" \t\r\n")


def test_time_grows_with_the_mail_and_not_faster(names: DnsServer) -> None:
    """Runs of blanks, and thousands of signatures."""
    evil = sign().replace(b"Hello", b" \t" * 1_000_000 + b"x") + b"\r\n" * 100_000
    many = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=s1; h=from; bh=AAAA; b=AAAA\r\n" * 5_000 + MAIL
    started = time.process_time()
    assert {check(names, evil).outcome, check(names, many).outcome} == {"fail"}
    assert time.process_time() - started < 3
