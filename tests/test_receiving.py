"""What becomes of mail that came in: reports into the ledger, people's mail to where its address says, each once."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import io
import re
import time
import zipfile
import zlib
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import dkim
import dns.resolver
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone
from pytest_django import Settings

from campaigns import tokens
from campaigns.errors import CampaignError
from campaigns.inbound import ending, handling, processing, telling
from campaigns.inbound.places import find_place
from campaigns.inbound.reception import Envelope, open_field, take_in
from campaigns.inbound.routes import Wish, create_route
from campaigns.models import (
    Account,
    BaaStatus,
    Event,
    EventKind,
    InboundMail,
    InboundPlace,
    InboundRaw,
    InboundState,
    Message,
    MessageState,
    RouteAction,
    SandboxMail,
    Suppression,
    SuppressionReason,
    SuppressionScope,
    WebhookKind,
)
from campaigns.outbox.dispatch import dispatch_slice, dispatch_stream
from campaigns.outbox.reports import campaign_report
from campaigns.planning import fanout, sending
from campaigns.tracking.telling import tell
from campaigns.webhooks.endpoints import Wish as EndpointWish
from campaigns.webhooks.endpoints import create_endpoint
from tests.dns_server import DnsServer
from tests.factories import make_account, make_campaign, make_contact, make_domain, make_list
from tests.inbound_mail import WRITER, arrive, make_route, receive, send_campaign, work, write_mail
from tests.provider_reports import make_dmarc_xml
from tests.receiver import Receiver, receiver
from tests.reports import make_complaint, make_dsn, return_path

__all__ = ["receiver"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def names() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def resolver(names: DnsServer) -> dns.resolver.Resolver:
    return names.resolver


@pytest.fixture
def account() -> Account:
    return make_account()


def nothing_is_left() -> bool:
    mail = InboundMail.objects.latest("pk")
    return not InboundRaw.objects.exists() and not mail.envelope_sealed and not mail.head_sealed and not mail.is_kept


# --- Reports ----------------------------------------------------------------------------------------


def test_a_bounce_at_its_return_path_is_in_the_ledger_and_nothing_of_it_is_kept(
    account: Account, resolver: dns.resolver.Resolver
) -> None:
    """DS-05."""
    _, message = send_campaign(account)
    receive(make_dsn(message.recipient), resolver, to=return_path(message), mail_from="")
    assert Message.objects.get(pk=message.pk).state == MessageState.BOUNCED
    assert Suppression.objects.get().reason == SuppressionReason.BOUNCE
    assert nothing_is_left()


def test_a_complaint_at_the_return_path_as_such_stops_marketing(
    account: Account, resolver: dns.resolver.Resolver
) -> None:
    """FB-01, FB-02: a feedback loop is registered with one address for all mail."""
    _, message = send_campaign(account)
    receive(make_complaint(message), resolver, to="bounces@mail.example.org", mail_from="fbl@example.net")
    assert list(message.events.values_list("kind", flat=True)) == [EventKind.COMPLAINED]
    assert Suppression.objects.get().scope == SuppressionScope.MARKETING


def test_whoever_writes_to_the_unsubscribe_address_of_a_mail_is_unsubscribed_un_10(
    account: Account, resolver: dns.resolver.Resolver
) -> None:
    _, message = send_campaign(account)
    to = f"unsubscribe+{tokens.bounce_token(message.public_id)}@mail.example.org"
    receive(b"Auto-Submitted: auto-replied\r\n" + write_mail(to=to), resolver, to=to)
    receive(make_dsn("somebody@example.net"), resolver, to=to, mail_from="")
    assert not message.events.exists()
    html_only = b"From: other@elsewhere.example\r\nSubject: \r\nContent-Type: text/html\r\n\r\n<b>x</b>"
    receive(html_only, resolver, to=to, mail_from="other@elsewhere.example")
    assert list(message.events.values_list("kind", flat=True)) == [EventKind.UNSUBSCRIBED]
    assert Suppression.objects.get().address_key == message.address_key
    assert nothing_is_left()


def test_the_unsubscribe_button_of_a_mail_program_is_no_automatic_answer_un_10(
    account: Account, resolver: dns.resolver.Resolver
) -> None:
    """Apple Mail's calls itself auto-replied."""
    _, message = send_campaign(account)
    to = f"unsubscribe+{tokens.bounce_token(message.public_id)}@mail.example.org"
    raw = b"Auto-Submitted: auto-replied\r\nX-Apple-Unsubscribe: true\r\n" + write_mail(to=to)
    assert receive(raw, resolver, to=to).outcome == "unsubscribed"


def test_a_return_path_that_is_called_like_the_unsubscribe_address_is_one_all_the_same(account: Account) -> None:
    """DS-05: its bounces unsubscribe nobody."""
    _, message = send_campaign(account, return_path="unsubscribes@mail.example.org")
    place = find_place(f"unsubscribes+{tokens.bounce_token(message.public_id)}@mail.example.org")
    assert place is not None
    assert place.kind == InboundPlace.REPORT


@pytest.mark.parametrize("comes_here", [True, False])
def test_the_header_names_an_address_where_mail_to_it_reaches_us_un_01_un_10(
    account: Account, resolver: dns.resolver.Resolver, settings: Settings, comes_here: bool
) -> None:
    settings.INBOUND_HOST = "mx.example.org"
    readers = make_list(account)
    make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    account.domains.update(return_path="bounces@mail.example.org")
    account.domains.get().findings.create(
        record="return-mx", ok=comes_here, code="x", text="x", found_at=timezone.now()
    )
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk)
    mail = message_from_bytes(_inflate(SandboxMail.objects.get()), policy=policy.default)
    found = re.fullmatch(r"<https?://[^>]+/u/\S+>,\s*<mailto:([^?]+)\?subject=unsubscribe>", mail["List-Unsubscribe"])
    assert bool(found) == comes_here
    if found:
        receive(write_mail(to=found[1]), resolver, to=found[1])
        assert Suppression.objects.get().scope == SuppressionScope.LIST


def test_a_bounce_at_the_from_address_is_recorded_and_one_about_nothing_is_mail_like_any_other(
    account: Account, resolver: dns.resolver.Resolver
) -> None:
    _, message = send_campaign(account)
    make_route(account)
    known = make_dsn(message.recipient, envelope_id=message.public_id.hex)
    assert receive(known, resolver, mail_from="").outcome == "recorded"
    assert receive(make_dsn("stranger@example.com"), resolver, mail_from="").outcome == "kept"


def test_a_person_who_answers_to_the_return_path_makes_no_bounce_of_it(
    account: Account, resolver: dns.resolver.Resolver
) -> None:
    """The mail has no Return-Path header yet: what it is, its envelope says."""
    _, message = send_campaign(account)
    words = f"Your mail to {message.recipient} was returned to me: 550 5.1.1 user unknown. The parcel could not be delivered."
    receive(write_mail(body=words), resolver, to=return_path(message))
    assert Message.objects.get(pk=message.pk).state == MessageState.SENT
    assert not Suppression.objects.exists()


def test_a_report_about_a_mail_on_its_way_waits(account: Account, resolver: dns.resolver.Resolver) -> None:
    _, message = send_campaign(account)
    Message.objects.filter(pk=message.pk).update(
        state=MessageState.SENDING, lease_until=timezone.now() + timedelta(minutes=1)
    )
    mail = receive(make_dsn(message.recipient), resolver, to=return_path(message), mail_from="")
    assert (mail.state, mail.attempts, mail.next_attempt_at > timezone.now()) == (InboundState.WAITING, 0, True)


def test_of_an_account_under_an_agreement_only_the_status_code_remains(
    account: Account, resolver: dns.resolver.Resolver
) -> None:
    """hipaa H10; a reply of a person to the return path is dropped."""
    _, message = send_campaign(account)
    make_route(account, "bounces", domain="mail.example.org")
    Account.objects.filter(pk=account.pk).update(baa_status=BaaStatus.ACTIVE)
    receive(write_mail(body="About my results"), resolver, to=return_path(message))
    assert nothing_is_left()
    receive(make_dsn(message.recipient, status="5.2.2"), resolver, to=return_path(message), mail_from="")
    assert Message.objects.get(pk=message.pk).error_code == "bounce.mailbox-full"
    assert nothing_is_left()


def test_reports_of_mailbox_providers_fill_the_charts_if_they_are_really_theirs_ts_02(
    account: Account, names: DnsServer, resolver: dns.resolver.Resolver
) -> None:
    domain = make_domain(account, name="shop.example.org", reports_to="dmarc@shop.example.org")
    xml = make_dmarc_xml(domain.name, day=timezone.now().date() - timedelta(days=1), rows=[("192.0.2.9", 5)])
    packed = base64.encodebytes(gzip.compress(xml)).decode().replace("\n", "\r\n")
    head = ('Content-Type: application/gzip; name="r.xml.gz"', "Content-Transfer-Encoding: base64")
    names.publish("_dmarc.example.net", ["v=DMARC1; p=none"])
    receive(write_mail(*head, body=packed), resolver, to="dmarc@shop.example.org", remote="192.0.2.1")
    assert not domain.reports.exists()
    names.publish("example.net", ["v=spf1 ip4:192.0.2.1 -all"])
    receive(write_mail(*head, "X: y", body=packed), resolver, to="dmarc@shop.example.org", remote="192.0.2.1")
    assert domain.reports.count() == 1
    assert nothing_is_left()


# --- Keeping, and answers ---------------------------------------------------------------------------


def test_a_person_who_answers_a_campaign_is_seen_there_and_a_holiday_note_is_not(
    account: Account, resolver: dns.resolver.Resolver
) -> None:
    contact, message = send_campaign(account)
    make_route(account)
    answer = f"In-Reply-To: <{message.public_id.hex}@mail.example.org>"
    mail = receive(write_mail(answer), resolver)
    receive(write_mail(answer, "Auto-Submitted: auto-replied", body="Away"), resolver)
    assert (mail.answers, mail.outcome, mail.is_kept) == (message, "kept", True)
    campaign = message.submission.campaign
    assert campaign is not None
    assert campaign_report(campaign).replied == 1
    assert list(Event.objects.values_list("kind", "message__contact")) == [(EventKind.REPLIED, contact.pk)]


def test_an_answer_to_another_accounts_mail_is_an_answer_to_nothing(resolver: dns.resolver.Resolver) -> None:
    _, message = send_campaign(make_account())
    make_route(make_account())
    mail = receive(write_mail(f"In-Reply-To: <{message.public_id.hex}@mail.example.org>"), resolver)
    assert (mail.answers, Event.objects.count()) == (None, 0)


def test_the_most_telling_pattern_wins_and_a_tag_does_not_matter(account: Account) -> None:
    routes = {pattern: make_route(account, pattern) for pattern in ("*", "sales-*", "sales-de", "support")}
    found = {
        local: place.route_id
        for local in ("sales-de", "sales-fr", "support+42", "Support", "anybody")
        if (place := find_place(f"{local}@shop.example.org"))
    }
    wanted = ["sales-de", "sales-*", "support", "support", "*"]
    assert list(found.values()) == [routes[pattern].pk for pattern in wanted]


def test_mail_is_forgotten_after_its_time(account: Account, resolver: dns.resolver.Resolver) -> None:
    make_route(account)
    receive(write_mail(), resolver)
    month = timedelta(days=30)
    ending.forget_old(now=timezone.now() + timedelta(days=29), keep=month)
    assert InboundMail.objects.count() == 1
    ending.forget_old(now=timezone.now() + timedelta(days=31), keep=month)
    assert (InboundMail.objects.count(), InboundRaw.objects.count()) == (0, 0)


# --- Who wrote it -----------------------------------------------------------------------------------


def sign(raw: bytes, names: DnsServer, *, domain: str = "example.net") -> bytes:
    """The mail with a signature that anybody can check."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
    names.publish(f"s1._domainkey.{domain}", [text[:200], text[200:]])
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return bytes(dkim.sign(raw, b"s1", domain.encode(), pem)) + raw


def test_a_mail_that_is_signed_by_its_own_domain_is_really_from_there(
    account: Account, names: DnsServer, resolver: dns.resolver.Resolver
) -> None:
    """RFC 9989: DKIM is enough, and SPF fails because it was passed on."""
    make_route(account)
    names.publish("_dmarc.example.net", ["v=DMARC1; p=reject"])
    names.publish("example.net", ["v=spf1 -all"])
    mail = receive(sign(write_mail(), names), resolver, remote="192.0.2.1")
    assert (mail.spf, mail.dkim, mail.dmarc) == ("fail", "pass", "pass")
    assert open_field(mail, "head", mail.head_sealed)["signed_by"] == "example.net"


@pytest.mark.parametrize(
    ("headers", "results"),
    [
        ((), ("pass", "none", "pass")),
        (("From: <other@example.net>",), ("pass", "none", "permerror")),
        (
            ("DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=s1; b=AAAA; bh=AAAA; h=from",),
            ("pass", "fail", "pass"),
        ),
        (("DKIM-Signature: \x00\xff=;;;",) * 50, ("pass", "fail", "pass")),
    ],
)
def test_what_cannot_be_checked_proves_nothing(
    account: Account,
    names: DnsServer,
    resolver: dns.resolver.Resolver,
    headers: tuple[str, ...],
    results: tuple[str, str, str],
) -> None:
    make_route(account)
    names.publish("_dmarc.example.net", ["v=DMARC1; p=quarantine"])
    names.publish("example.net", ["v=spf1 ip4:192.0.2.1 -all"])
    mail = receive(write_mail(*headers), resolver, remote="192.0.2.1")
    assert (mail.spf, mail.dkim, mail.dmarc) == results


# --- Passing on -------------------------------------------------------------------------------------


def forwarded(account: Account, raw: bytes, resolver: dns.resolver.Resolver, **arrival: str) -> tuple[str, list[Any]]:
    """(outcome, the mails that left through the account's own way out)."""
    outcome = receive(raw, resolver, **arrival).outcome
    if outcome == "forwarded":
        dispatch_stream(account.transports.get().pk)
    found = SandboxMail.objects.order_by("pk")
    return outcome, [message_from_bytes(_inflate(mail), policy=policy.default) for mail in found]


def _inflate(mail: SandboxMail) -> bytes:
    return zlib.decompress(bytes(mail.raw))


@pytest.fixture
def forwarding(account: Account) -> Account:
    make_route(account, action=RouteAction.FORWARD, forward_to="desk@elsewhere.example.com", keeps=False)
    return account


def test_mail_is_forwarded_from_our_own_address_and_answers_go_to_its_writer(
    forwarding: Account, resolver: dns.resolver.Resolver
) -> None:
    """DMARC holds for the domain in From; the return path is ours."""
    raw = write_mail("X-IB-notify-url: https://evil.example.com/", "X-IB-bulk-id: evil", "Cc: many@example.net")
    outcome, (mail,) = forwarded(forwarding, raw, resolver)
    assert outcome == "forwarded"
    assert (mail["From"], mail["Reply-To"], mail["To"]) == (
        '"Ann Example via shop.example.org" <support@shop.example.org>',
        WRITER,
        "desk@elsewhere.example.com",
    )
    assert (mail["Subject"], mail["Message-ID"]) == ("A question", "<1@example.net>")
    assert not any(name.lower().startswith(("x-ib", "cc")) for name in mail)
    message = Message.objects.get()
    assert (message.recipient, message.submission.bulk_id, message.submission.webhook_sealed) == (
        "desk@elsewhere.example.com",
        "",
        None,
    )
    assert nothing_is_left()


def test_what_has_been_forwarded_before_a_report_and_an_automatic_answer_go_nowhere_evil_38(
    forwarding: Account, resolver: dns.resolver.Resolver
) -> None:
    """RFC 3834; RFC 5321 §4.5.5."""
    _, (mail,) = forwarded(forwarding, write_mail(), resolver)
    back = mail.as_bytes(policy=policy.SMTP)
    assert forwarded(forwarding, back, resolver)[0] == "loop"
    assert forwarded(forwarding, write_mail(body="a"), resolver, mail_from="")[0] == "no-sender"
    assert forwarded(forwarding, write_mail("Auto-Submitted: auto-replied"), resolver)[0] == "automatic"
    outcome, mails = forwarded(forwarding, write_mail("Auto-Submitted: auto-generated"), resolver)
    assert (outcome, len(mails)) == ("forwarded", 2)
    assert InboundMail.objects.filter(is_kept=True).count() == 3


def test_a_forgery_is_kept_and_not_signed_by_us(
    forwarding: Account, names: DnsServer, resolver: dns.resolver.Resolver
) -> None:
    names.publish("_dmarc.example.net", ["v=DMARC1; p=reject"])
    names.publish("example.net", ["v=spf1 -all"])
    assert forwarded(forwarding, write_mail(), resolver, remote="192.0.2.1") == ("forged", [])


def test_a_mail_no_careful_sender_lets_out_is_kept_with_a_reason(
    forwarding: Account, resolver: dns.resolver.Resolver
) -> None:
    program = write_mail('Content-Disposition: attachment; filename="a.exe"', "Content-Type: application/x-dosexec")
    assert forwarded(forwarding, program, resolver) == ("unforwardable", [])
    assert InboundMail.objects.get().is_kept


def test_whenever_the_worker_dies_a_mail_is_forwarded_once(
    forwarding: Account, resolver: dns.resolver.Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SU-07: what it causes and that it is done are written together."""
    arrive(write_mail())

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(handling, "end", die)
        with pytest.raises(SystemExit):
            work(resolver)
    assert not Message.objects.exists()
    InboundMail.objects.update(next_attempt_at=timezone.now())
    for _ in range(2):
        work(resolver)
    assert Message.objects.count() == 1


@pytest.mark.parametrize("to", ["desk@shop.example.org", "bounces@mail.example.org", "support@other.example.org"])
def test_mail_is_not_forwarded_to_ourselves_evil_38(account: Account, to: str) -> None:
    send_campaign(account)
    domain = make_domain(account, name="shop.example.org")
    make_route(make_account(), domain="other.example.org")
    with pytest.raises(CampaignError, match="comes here again"):
        create_route(account, Wish(domain, "support", RouteAction.FORWARD, forward_to=to))


# --- Handing to a program ---------------------------------------------------------------------------


def test_a_program_gets_the_mail_in_infobips_form_and_can_check_the_signature(
    account: Account, resolver: dns.resolver.Resolver, receiver: Receiver
) -> None:
    """infobip.md §2.3; a file may hold any bytes, so the signature is over bytes."""
    endpoint, secret = create_endpoint(
        account, EndpointWish(name="Desk", url=f"{receiver.url}/mail", kinds=[WebhookKind.INBOUND])
    )
    make_route(account, action=RouteAction.WEBHOOK, endpoint=endpoint, keeps=False)
    body = (
        "--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Grüße</p>\r\n--b\r\nContent-Type: image/png\r\n"
        "Content-ID: <pic>\r\nContent-Disposition: attachment; filename*=UTF-8''b%22%C3%A4d.png\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{base64.b64encode(bytes(range(256))).decode()}\r\n--b--"
    )
    raw = write_mail('Content-Type: multipart/mixed; boundary="b"', body=body)
    mail = receive(raw, resolver, remote="192.0.2.1")
    tell(budget=5, linger=0, describe_mail=telling.describe_mail)
    (asked,) = receiver.asked
    form = message_from_bytes(
        f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n".encode() + asked.body, policy=policy.HTTP
    )
    parts = {str(part.get_param("name", header="content-disposition")): part for part in form.iter_parts()}
    contents = {name: bytes(part.get_payload(decode=True)) for name, part in parts.items()}
    texts = {name: content.decode() for name, content in contents.items() if name != "attachment1"}
    assert list(parts) == [
        "id", "spfCheck", "dkimCheck", "dmarcCheck", "senderIp", "from", "to", "subject", "html", "text", "attachmentInfo",
        "envelope", "headers", "attachment1",
    ]  # fmt: skip
    assert (texts["id"], texts["to"], texts["from"]) == (
        str(mail.public_id), "[support@shop.example.org]", f"Ann Example <{WRITER}>",
    )  # fmt: skip
    assert (texts["html"].strip(), texts["senderIp"], texts["dkimCheck"]) == (
        "<p>Grüße</p>", "192.0.2.1", '{"result":"none","domains":[]}',
    )  # fmt: skip
    assert (
        '"name":"attachment1","contentType":"image/png","filename":"b\\"äd.png","contentId":"pic"'
        in texts["attachmentInfo"]
    )
    assert contents["attachment1"] == bytes(range(256))
    assert b"A test of your webhook" in telling.sample_call(endpoint, now=timezone.now()).body
    signed = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    assert asked.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    ending.forget_old(now=timezone.now() + timedelta(days=4), keep=timedelta(days=90))
    assert (InboundMail.objects.count(), InboundRaw.objects.count()) == (0, 0)


# --- Whatever comes (evil inputs 18, 32, 37) ---------------------------------------------------------


def _zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))
    return base64.encodebytes(packed.getvalue())


def _nested(depth: int) -> bytes:
    head = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth))
    return b"From: ann@example.net\r\n" + head + b"Content-Type: text/plain\r\n\r\ndeep\r\n"


EVIL = {
    "1000-deep": _nested(1_000),
    "200k-headers": b"".join(b"X-%d: y\r\n" % number for number in range(200_000)) + b"\r\nx",
    "rfc822-loop": b"Content-Type: message/rfc822\r\n\r\n" * 2_000 + b"x",
    "unknown-charset": b"Content-Type: text/plain; charset=uft-8\r\nSubject: =?x-nobody?q?=E4?=\r\n\r\n\xe4\xff",
    "cr-only": write_mail().replace(b"\r\n", b"\r"),
    "nul": write_mail().replace(b"Hello", b"He\0llo\0"),
    "brackets": b"From: " + b"(" * 50_000 + b"\r\nTo: " + b"<" * 50_000 + b"\r\n\r\nx",
    "no-boundary": b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\n",
    "winmail": b"Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+IgAA",
    "zip-bomb": b"Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + _zip_bomb(),
    "empty": b"",
    "8-bit-head": "Subject: Grüße\r\nFrom: Müller <m@example.net>\r\n\r\nx".encode("latin-1"),
    "surrogates": b"Subject: =?utf-7?q?+2AA-?=\r\nFrom: \xed\xa0\x80 <a@example.net>\r\n\r\n\xed\xa0\x80",
}


@pytest.mark.parametrize("action", [RouteAction.STORE, RouteAction.FORWARD])
def test_no_mail_stops_the_worker_or_keeps_it_busy_evil_37(
    account: Account, resolver: dns.resolver.Resolver, action: RouteAction
) -> None:
    make_route(account, action=action, forward_to="desk@elsewhere.example.com")
    for number, raw in enumerate(EVIL.values()):
        envelope = Envelope(f"x{number}@example.net")
        place = find_place("support@shop.example.org")
        assert place is not None
        take_in(raw, envelope=envelope, places=[("support@shop.example.org", place)], now=timezone.now())
    started = time.process_time()
    work(resolver)
    assert time.process_time() - started < 10
    outcomes = dict(zip(EVIL, InboundMail.objects.order_by("pk").values_list("outcome", flat=True), strict=True))
    assert set(outcomes.values()) <= {"kept", "forwarded", "unforwardable"}, outcomes
    partial = set(InboundMail.objects.filter(is_partial=True).order_by("pk").values_list("pk", flat=True))
    first = InboundMail.objects.order_by("pk").values_list("pk", flat=True)[0]
    assert {first, first + 1} <= partial


def test_a_mail_that_cannot_be_worked_on_is_given_up_and_the_next_one_is_not(
    account: Account, resolver: dns.resolver.Resolver
) -> None:
    make_route(account)
    arrive(write_mail(body="broken"))
    InboundRaw.objects.update(sealed=b"x")
    arrive(write_mail(body="whole"))
    for _ in range(processing.MOST_TRIES):
        InboundMail.objects.update(next_attempt_at=timezone.now())
        work(resolver)
    assert list(InboundMail.objects.order_by("pk").values_list("state", "outcome")) == [
        (InboundState.DONE, "failed"),
        (InboundState.DONE, "kept"),
    ]
