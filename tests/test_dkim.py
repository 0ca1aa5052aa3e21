"""Signatures on finished mail, verified by code that is not ours: dkimpy always, OpenDKIM where it is installed."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
import time_machine
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.test import override_settings
from dkim.canonicalization import Relaxed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.content.compile import compile_version
from campaigns.content.mime import MailFrame, MailRecipient
from campaigns.domains import dkim as signing
from campaigns.domains.creation import create_domain
from campaigns.domains.dkim import Signer, open_signer
from campaigns.domains.expected import expected_records
from campaigns.domains.keys import create_dkim_key, open_private_key
from campaigns.errors import CampaignError
from campaigns.models import DkimKey, Domain
from config.keyring import KeyRing
from tests.factories import make_account, make_version

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
OTHER_RING = KeyRing("other", {"other": bytes(32)}, bytes(32), bytes(32))
OPENDKIM = shutil.which("opendkim", path="/usr/sbin:/usr/bin:/bin")

# One of everything that DK-02 names, and what stays unsigned.
FULL = (
    b"Received: from a by b; Mon, 23 Nov 2026 09:30:00 +0000\r\n"
    b"From: News <news@news.example.com>\r\nTo: Ada <ada@example.net>\r\nCc: bob@example.net\r\n"
    b"Subject: Hello\r\nDate: Mon, 23 Nov 2026 09:30:00 +0000\r\nMessage-ID: <1@news.example.com>\r\n"
    b"Reply-To: help@example.com\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\nIn-Reply-To: <0@example.net>\r\nReferences: <0@example.net>\r\n"
    b"List-Unsubscribe: <https://example.com/u/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"List-ID: <news.example.com>\r\nFeedback-ID: a:b:c:d\r\nCFBL-Address: fbl@example.com\r\n"
    b"CFBL-Feedback-ID: 1:2\r\nPrecedence: bulk\r\nX-Mailer: x\r\n"
    b"\r\nHello Ada,\r\n\r\n  news for you.\r\n"
)
NAMED = {
    "from", "to", "cc", "subject", "date", "message-id", "reply-to", "mime-version", "content-type",
    "content-transfer-encoding", "in-reply-to", "references", "list-unsubscribe", "list-unsubscribe-post", "list-id",
    "feedback-id", "cfbl-address", "cfbl-feedback-id",
}  # fmt: skip


@pytest.fixture
def domain() -> Domain:
    return create_domain(make_account(), name="news.example.com")


@pytest.fixture
def signer(domain: Domain) -> Signer:
    return open_for(domain)


def open_for(domain: Domain) -> Signer:
    signer = open_signer(domain)
    assert signer is not None
    return signer


def add_ed25519(domain: Domain) -> None:
    create_dkim_key(domain, algorithm=DkimKey.Algorithm.ED25519)
    domain.dkim_keys.update(state=DkimKey.State.SIGNING)


def verdicts(mail: bytes, domain: Domain) -> list[bool]:
    """What dkimpy says of each signature."""
    zone = {f"{record.host}.": record.value.encode() for record in expected_records(domain)}
    count = len(re.findall(rb"^DKIM-Signature:", mail.partition(b"\r\n\r\n")[0], re.MULTILINE))

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return zone[name.decode("ascii")]

    # It judges the first it finds.
    texts = [mail.replace(b"DKIM-Signature:", b"X-Other:", index) for index in range(count)]
    return [bool(dkim.verify(text, dnsfunc=look_up)) for text in texts]


def passes(mail: bytes, domain: Domain) -> bool:
    """Whether every signature is good, and there is one."""
    found = verdicts(mail, domain)
    assert found
    assert len(set(found)) == 1
    return found[0]


def tags_of(signature: bytes) -> dict[str, str]:
    value = re.sub(r"\s+", "", signature.decode("ascii").partition(":")[2])
    return dict(tag.split("=", 1) for tag in value.split(";"))


def newsletter(domain: Domain) -> bytes:
    """A mail as the content room makes it."""
    html = (
        "<html><body>" + "<p>Hello {{ first_name }},  a line\twith   blanks. </p>\n" * 80 + "<p>{{ account_name }}, "
        '{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>\n\n\n'
    )
    frame = MailFrame(
        "Žmonės & knygos", f"news@{domain.name}", list_id=f"Readers <readers.{domain.name}>", feedback_id="a:b:c:d",
        is_bulk=True, account_name="Books", postal_address="1 Main St, Vilnius",
    )  # fmt: skip
    recipient = MailRecipient(
        "ada@example.net", {"first_name": "Ada"}, f"1@{domain.name}", f"https://example.com/u/{'x' * 300}"
    )
    return compile_version(make_version(domain.account, source=html)).mail(frame, recipient, date=NOW)


# --- The signature ------------------------------------------------------------------------------


def test_a_mail_of_ours_verifies(domain: Domain, signer: Signer) -> None:
    """DK-03."""
    mail = newsletter(domain)
    assert passes(signer.sign(mail) + mail, domain)


def test_two_signatures_verify_each_for_itself(domain: Domain) -> None:
    """DK-03, DK-07: RSA first, Ed25519 beside it (RFC 8463)."""
    add_ed25519(domain)
    mail = newsletter(domain)
    signed = open_for(domain).sign(mail) + mail
    assert re.findall(rb"a=([a-z0-9-]+);", signed) == [b"rsa-sha256", b"ed25519-sha256"]
    assert verdicts(signed, domain) == [True, True]


@pytest.mark.skipif(OPENDKIM is None, reason="needs Debian's opendkim")
def test_opendkim_verifies_both_signatures_and_sees_a_change(domain: Domain, tmp_path: Path) -> None:
    """DK-03."""
    add_ed25519(domain)
    mail = newsletter(domain)
    signed = open_for(domain).sign(mail) + mail
    zone = "".join(f"{record.host} {record.value}\n" for record in expected_records(domain))
    (tmp_path / "zone").write_text(zone)
    (tmp_path / "conf").write_text(f"Mode v\nSyslog no\nTestDNSData {tmp_path}/zone\n")

    def ask(text: bytes) -> list[str]:
        (tmp_path / "mail.eml").write_bytes(text)
        command = [OPENDKIM or "", "-x", str(tmp_path / "conf"), "-vv", "-t", str(tmp_path / "mail.eml")]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return re.findall(r"dkim=(\w+)", shown)

    assert ask(signed) == ["pass", "pass"]
    assert ask(signed.replace(b"Unsubscribe</a>", b"Unsubscribf</a>")) == ["fail", "fail"]


def test_the_tags_are_those_we_promise(domain: Domain, signer: Signer) -> None:
    """DK-01, DK-04: SHA-256, relaxed twice, the domain of the From address; no l= and no x=."""
    with time_machine.travel(NOW, tick=False):
        tags = tags_of(signer.sign(FULL))
    assert set(tags) == {"v", "a", "c", "d", "s", "t", "h", "bh", "b"}
    assert (tags["v"], tags["a"], tags["c"]) == ("1", "rsa-sha256", "relaxed/relaxed")
    assert (tags["d"], tags["s"]) == ("news.example.com", domain.dkim_keys.get().selector)
    assert tags["t"] == str(int(NOW.timestamp()))


def test_everything_that_matters_is_signed(signer: Signer) -> None:
    """DK-02, UN-02."""
    listed = tags_of(signer.sign(FULL))["h"].lower().split(":")
    assert set(listed) == NAMED
    twice = {name for name in NAMED if listed.count(name) == 2}
    assert twice == NAMED - {"feedback-id", "cfbl-address", "cfbl-feedback-id"}


def test_what_a_reader_sees_is_sealed_even_where_it_is_missing(signer: Signer) -> None:
    """DK-02."""
    listed = tags_of(signer.sign(b"From: a@b.c\r\nSubject: x\r\n\r\nx\r\n"))["h"].lower().split(":")
    assert sorted(listed) == ["cc", "from", "from", "reply-to", "subject", "subject", "to"]


@pytest.mark.parametrize(
    "name", ["From", "To", "Cc", "Subject", "Reply-To", "Date", "Content-Type", "List-Unsubscribe"]
)
@pytest.mark.parametrize("place", ["above", "below"])
def test_a_second_header_of_a_kind_breaks_the_signature(domain: Domain, signer: Signer, name: str, place: str) -> None:
    """DK-02: a From put in front of ours would otherwise be what the reader sees."""
    signed = signer.sign(FULL) + FULL
    head, _, body = signed.partition(b"\r\n\r\n")
    extra = f"{name}: evil@example.org".encode()
    assert passes(signed, domain)
    parts = (extra, head) if place == "above" else (head, extra)
    assert not passes(b"\r\n".join(parts) + b"\r\n\r\n" + body, domain)


@pytest.mark.parametrize("name", ["Received", "Feedback-ID", "X-Spam", "Authentication-Results", "Sender"])
def test_what_relays_put_above_does_no_harm(domain: Domain, signer: Signer, name: str) -> None:
    signed = signer.sign(FULL) + FULL
    assert passes(f"{name}: of a relay\r\n".encode() + signed, domain)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_changed_or_missing_header_breaks_the_signature(domain: Domain, signer: Signer, name: str) -> None:
    """DK-02, UN-02."""
    signed = signer.sign(FULL) + FULL
    line = next(part for part in FULL.split(b"\r\n") if part.lower().startswith(name.encode() + b":"))
    assert not passes(signed.replace(b"\r\n" + line, b"\r\n" + line + b"x"), domain)
    assert not passes(signed.replace(b"\r\n" + line, b""), domain)


def test_every_line_is_short_and_the_field_ends_once(domain: Domain) -> None:
    add_ed25519(domain)
    fields = open_for(domain).sign(FULL)
    assert fields.endswith(b"\r\n")
    assert b"\r\n\r\n" not in fields
    lines = fields.removesuffix(b"\r\n").split(b"\r\n")
    assert max(map(len, lines)) <= 78
    assert all(line.startswith((b"DKIM-Signature: ", b" ")) for line in lines)


def test_the_longest_names_still_fit_into_a_line() -> None:
    domain = create_domain(make_account(), name=".".join(["a" * 60] * 3 + ["b" * 44, "com"]))
    domain.dkim_keys.all().delete()
    create_dkim_key(domain, selector="s" * 63)
    signed = open_for(domain).sign(FULL) + FULL
    assert max(map(len, signed.split(b"\r\n"))) <= 998
    assert passes(signed, domain)


def test_a_mail_without_a_body_verifies(domain: Domain, signer: Signer) -> None:
    for mail in (b"From: a@b.c\r\n\r\n", b"From: a@b.c\r\n\r\n\r\n", b"From: a@b.c\r\n\r\n \t\r\n"):
        assert passes(signer.sign(mail) + mail, domain)


# --- What may change on the way, and what may not -----------------------------------------------

FRAGMENTS = [b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b" \r\n", b"\t\r\n", b"a", b"word", b".", b"=20", b"\xc5\xbe"]
bodies = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join)
soft = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)


@soft
@given(body=bodies)
def test_any_body_is_hashed_as_the_standard_has_it(signer: Signer, body: bytes) -> None:
    """RFC 6376 §3.4.4, against dkimpy's reading. On the wire the last line ends."""
    sent = body if body.endswith(b"\r\n") or not body else body + b"\r\n"
    assert signing.relax_body(body) == Relaxed.canonicalize_body(sent)


@soft
@given(parts=st.lists(st.sampled_from([*FRAGMENTS, b"\r", b"\n", b"\x0b", b"\x0c", b"\x00"]), max_size=40))
def test_odd_characters_are_no_white_space(signer: Signer, parts: list[bytes]) -> None:
    """Lone CR and LF, form feeds and NUL are bytes like any other; the rules one by one, as the text has them."""
    body = b"".join(parts)
    lines = (body if body.endswith(b"\r\n") else body + b"\r\n").split(b"\r\n")[:-1]
    lines = [re.sub(rb"[ \t]+", b" ", line).removesuffix(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    assert signing.relax_body(body) == b"".join(line + b"\r\n" for line in lines)


@soft
@given(
    value=st.lists(st.sampled_from([b"a", b"word", b" ", b"  ", b"\t", b"\r\n ", b"\r\n\t", b":", b";"]), max_size=20)
)
def test_any_header_verifies_however_it_is_folded(domain: Domain, signer: Signer, value: list[bytes]) -> None:
    mail = b"From: a@b.c\r\nSubject:" + b"".join(value) + b"x\r\n\r\nHello\r\n"
    assert passes(signer.sign(mail) + mail, domain)


@soft
@given(data=st.data())
def test_any_changed_byte_of_the_body_breaks_the_signature(domain: Domain, signer: Signer, data: st.DataObject) -> None:
    body = b"Hello Ada,\r\n\r\n  news =C5=BE for you.\r\n-- \r\nBye\r\n"
    mail = b"From: a@b.c\r\n\r\n" + body
    place = data.draw(st.integers(0, len(body) - 1).filter(lambda at: body[at] > 32))
    byte = data.draw(st.integers(33, 126).filter(lambda code: code != body[place]))
    changed = body[:place] + bytes([byte]) + body[place + 1 :]
    assert not passes(signer.sign(mail) + b"From: a@b.c\r\n\r\n" + changed, domain)


@soft
@given(seed=st.randoms(use_true_random=False))
def test_folding_and_white_space_may_change_on_the_way(domain: Domain, signer: Signer, seed: object) -> None:
    """What relays do: fold headers anew, change the case of names, widen blanks, add empty lines at the end."""
    choose: Callable[[list[bytes]], bytes] = seed.choice  # type: ignore[attr-defined]
    head, _, body = FULL.partition(b"\r\n\r\n")
    lines = []
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        respaced = b"".join(
            choose([b" ", b"  ", b"\t", b"\r\n "]) if c == b" " else c for c in re.findall(rb"(?s).", value)
        )
        lines.append(choose([name, name.upper()]) + b":" + choose([b"", b" ", b"\t"]) + respaced + choose([b"", b" "]))
    body = body.replace(b"  ", choose([b" ", b"\t", b"   "])).replace(b",\r\n", choose([b", \r\n", b",\r\n"]))
    changed = b"\r\n".join(lines) + b"\r\n\r\n" + body + choose([b"", b"\r\n\r\n", b" \r\n"])
    assert passes(signer.sign(FULL) + changed, domain)


def test_a_body_cannot_be_continued(domain: Domain, signer: Signer) -> None:
    """DK-01: with l= it could."""
    assert not passes(signer.sign(FULL) + FULL + b"Buy this\r\n", domain)


# --- Which keys sign ----------------------------------------------------------------------------


def test_a_domain_without_a_key_has_no_signer() -> None:
    assert open_signer(Domain.objects.create(account=make_account(), name="news.example.com")) is None


def test_ed25519_never_signs_alone(domain: Domain) -> None:
    """DK-07: many receivers cannot verify it yet."""
    domain.dkim_keys.all().delete()
    add_ed25519(domain)
    assert open_signer(domain) is None


def test_only_keys_in_use_sign(domain: Domain) -> None:
    """DK-06."""
    old = domain.dkim_keys.get()
    create_dkim_key(domain)
    add = create_dkim_key(domain, algorithm=DkimKey.Algorithm.ED25519)
    domain.dkim_keys.filter(pk=add.pk).update(state=DkimKey.State.RETIRING)
    signatures = open_for(domain).sign(FULL)
    assert signatures.count(b"DKIM-Signature:") == 1
    assert tags_of(signatures)["s"] == old.selector


def test_a_signer_needs_no_settings_once_it_is_open(domain: Domain, signer: Signer) -> None:
    with override_settings(KEY_RING=None):
        assert passes(signer.sign(FULL) + FULL, domain)


def test_threads_share_a_signer(domain: Domain) -> None:
    add_ed25519(domain)
    signer = open_for(domain)
    mails = [FULL.replace(b"Hello", b"Hello %d" % number) for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        signed = list(pool.map(lambda mail: signer.sign(mail) + mail, mails))
    assert all(verdicts(mail, domain) == [True, True] for mail in signed)


def test_a_key_of_another_ring_is_named_as_such(domain: Domain) -> None:
    with override_settings(KEY_RING=OTHER_RING), pytest.raises(CampaignError) as caught:
        open_signer(domain)
    assert (caught.value.code, caught.value.status) == ("domain.key-unreadable", 500)
    assert domain.name not in str(caught.value)


def test_the_private_key_is_in_no_log_and_no_repr(domain: Domain, caplog: pytest.LogCaptureFixture) -> None:
    """DK-06."""
    with caplog.at_level(logging.DEBUG):
        signer = open_for(domain)
        signer.sign(FULL)
    private_key = open_private_key(domain.dkim_keys.get())
    der = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    shown = f"{signer!r} {signer._keys!r}"
    assert caplog.text == ""
    assert b64encode(der[100:130]).decode() not in shown
    assert der[100:130].hex() not in shown
    assert len(shown) < 250
