"""Domains, senders, ways to send and the sandbox mailbox, through the admin's door."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.admin import domains as domain_screens
from campaigns.content.mail_reading import read_mail
from campaigns.domains.creation import create_domain
from campaigns.domains.expected import expected_records
from campaigns.models import Account, Domain, Role, SandboxMail, Sender, Transport
from campaigns.outbox.transports import read_config
from tests.dns_server import DnsServer
from tests.factories import make_account, make_sender, make_user

pytestmark = pytest.mark.django_db

DOMAINS, SENDERS = "/admin/campaigns/domain/", "/admin/campaigns/sender/"
TRANSPORTS, MAILBOX = "/admin/campaigns/transport/", "/admin/campaigns/sandboxmail/"
RELAY = {
    "name": "Office",
    "kind": "smtp",
    "host": "smtp.example.org",
    "port": "587",
    "tls": "starttls",
    "username": "news",
    "password": " s3cret pass ",
    "connections": "10",
}


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    with DnsServer() as server:
        monkeypatch.setattr(domain_screens, "make_resolver", lambda: server.resolver)
        yield server


# --- Domains and senders ------------------------------------------------------------------------


def test_a_domain_is_added_with_its_records(door: Client, account: Account) -> None:
    page = door.post(f"{DOMAINS}add/", {"name": "News.Example.org"}, follow=True).content.decode()
    domain = account.domains.get()
    assert domain.name == "news.example.org"
    for record in expected_records(domain):
        assert record.host in page
        assert record.value.replace("+", "&#x2B;") in page or record.value in page


@pytest.mark.parametrize(
    ("name", "words"),
    [("not a domain", "not a valid domain"), ("gmail.com", ""), ("taken.example.org", "already has this domain")],
)
def test_a_domain_that_cannot_be_used_is_refused_beside_the_field(
    door: Client, account: Account, name: str, words: str
) -> None:
    create_domain(account, name="taken.example.org")
    page = door.post(f"{DOMAINS}add/", {"name": name}).content.decode()
    assert words in page
    assert 'class="errorlist"' in page
    assert account.domains.count() == 1


def test_checking_dns_verifies_the_domain_and_says_so(door: Client, account: Account, dns: DnsServer) -> None:
    domain = create_domain(account, name="news.example.org")
    dns.publish_all(expected_records(domain))
    page = door.post(f"{DOMAINS}{domain.public_id}/check/", follow=True).content.decode()
    assert "You can send from this domain" in page
    assert Domain.objects.get(pk=domain.pk).is_verified


def test_checking_dns_says_for_each_record_what_is_missing(door: Client, account: Account, dns: DnsServer) -> None:
    domain = create_domain(account, name="news.example.org")
    page = door.post(f"{DOMAINS}{domain.public_id}/check/", follow=True).content.decode()
    assert page.count("Not right yet") == domain.findings.filter(ok=False).count() == 5
    for finding in domain.findings.all():
        assert finding.text[:40] in page
        assert finding.code not in page


def test_looking_at_a_page_asks_dns_nothing(door: Client, account: Account) -> None:
    domain = create_domain(account, name="news.example.org")
    assert door.get(f"{DOMAINS}{domain.public_id}/check/").status_code == 405
    assert Domain.objects.get(pk=domain.pk).checked_at is None


def test_a_viewer_does_not_check(client: Client, account: Account) -> None:
    domain = create_domain(account, name="news.example.org")
    client.force_login(make_user(account, role=Role.VIEWER))
    assert client.post(f"{DOMAINS}{domain.public_id}/check/").status_code == 403


def test_a_domain_with_senders_is_not_deleted(door: Client, account: Account) -> None:
    domain = make_sender(account).domain
    url = f"{DOMAINS}{domain.public_id}/delete/"
    assert "1 sender" in door.get(url).content.decode()
    door.post(url, {"post": "yes"})
    assert Domain.objects.filter(pk=domain.pk).exists()


def test_a_sender_finds_its_domain_by_its_address(door: Client, account: Account) -> None:
    domain = create_domain(account, name="news.example.org")
    door.post(f"{SENDERS}add/", {"name": "Anna", "email": "anna@news.example.org", "reply_to": ""})
    assert Sender.objects.get().domain == domain


def test_a_sender_at_somebody_elses_domain_is_refused(door: Client, account: Account) -> None:
    create_domain(make_account(), name="other.example.org")
    page = door.post(f"{SENDERS}add/", {"name": "Anna", "email": "anna@other.example.org", "reply_to": ""})
    assert "not one of your domains yet" in page.content.decode()
    assert not Sender.objects.exists()


def test_the_name_of_a_sender_changes_and_its_address_stays(door: Client, account: Account) -> None:
    sender = make_sender(account)
    url = f"{SENDERS}{sender.public_id}/change/"
    door.post(url, {"name": "The Garden", "email": "other@example.com", "reply_to": "answers@example.com"})
    fresh = Sender.objects.get()
    assert (fresh.name, fresh.email, fresh.reply_to) == ("The Garden", sender.email, "answers@example.com")
    assert "must not look like an address" in door.post(url, {"name": "a@b", "reply_to": ""}).content.decode()


# --- Ways to send -------------------------------------------------------------------------------


def test_a_relay_is_stored_sealed(door: Client, account: Account, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        door.post(f"{TRANSPORTS}add/", RELAY)
    relay = account.transports.get(kind="smtp")
    assert read_config(relay) == {
        "host": "smtp.example.org", "port": 587, "tls": "starttls", "username": "news", "password": " s3cret pass ",
        "connections": 10,
    }  # fmt: skip
    assert b"s3cret" not in bytes(relay.config_sealed)
    assert "s3cret" not in caplog.text


def test_a_stored_password_is_never_shown_and_kept_when_left_empty(door: Client, account: Account) -> None:
    door.post(f"{TRANSPORTS}add/", RELAY)
    relay = account.transports.get(kind="smtp")
    url = f"{TRANSPORTS}{relay.public_id}/change/"
    assert "s3cret" not in door.get(url).content.decode()
    door.post(url, RELAY | {"password": "", "port": "2525"})
    relay.refresh_from_db()
    assert read_config(relay)["password"] == " s3cret pass "
    assert read_config(relay)["port"] == 2525


def test_a_stored_password_does_not_follow_to_another_server(door: Client, account: Account) -> None:
    """Otherwise whoever may edit the form could have the password sent to a server of their own."""
    door.post(f"{TRANSPORTS}add/", RELAY)
    relay = account.transports.get(kind="smtp")
    door.post(f"{TRANSPORTS}{relay.public_id}/change/", RELAY | {"password": "", "host": "evil.example.org"})
    relay.refresh_from_db()
    assert "password" not in read_config(relay)


def test_a_relay_needs_a_server_and_a_sandbox_only_a_name(door: Client, account: Account) -> None:
    door.post(f"{TRANSPORTS}add/", RELAY | {"host": ""})
    assert not account.transports.filter(kind="smtp").exists()
    door.post(f"{TRANSPORTS}add/", {"name": "Second sandbox", "kind": "sandbox"})
    assert account.transports.filter(name="Second sandbox").exists()


def test_two_ways_to_send_cannot_have_one_name(door: Client, account: Account) -> None:
    page = door.post(f"{TRANSPORTS}add/", RELAY | {"name": "Sandbox"}).content.decode()
    assert "Another way to send has this name" in page


def test_there_is_always_exactly_one_default(door: Client, account: Account) -> None:
    door.post(f"{TRANSPORTS}add/", RELAY)
    relay = account.transports.get(kind="smtp")
    door.post(f"{TRANSPORTS}{relay.public_id}/default/")
    assert list(account.transports.filter(is_default=True)) == [relay]
    assert door.post(f"{TRANSPORTS}{relay.public_id}/delete/", {"post": "yes"}).status_code == 403


def test_a_default_of_one_account_leaves_others_alone(door: Client, account: Account) -> None:
    other = make_account()
    door.post(f"{TRANSPORTS}add/", RELAY)
    door.post(f"{TRANSPORTS}{account.transports.get(kind='smtp').public_id}/default/")
    assert other.transports.filter(is_default=True).exists()


def test_settings_of_another_key_ring_are_asked_for_again(door: Client, account: Account) -> None:
    relay = Transport.objects.create(account=account, name="Moved", kind="smtp", config_sealed=b"\1\3abcdefgh")
    page = door.get(f"{TRANSPORTS}{relay.public_id}/change/").content.decode()
    assert "Enter them again" in page


def test_a_domain_nobody_looked_up_is_not_called_wrong(door: Client, account: Account) -> None:
    domain = create_domain(account, name="news.example.org")
    for page in (door.get(DOMAINS), door.get(f"{DOMAINS}{domain.public_id}/change/")):
        assert "Not checked yet" in page.content.decode()
        assert "Records missing" not in page.content.decode()


def test_a_sender_at_an_unknown_domain_is_refused_beside_its_address(door: Client) -> None:
    page = door.post(f"{SENDERS}add/", {"name": "News", "email": "a@other.example"}).content.decode()
    assert 'id="id_email_error"' in page
    assert 'id="id_name_error"' not in page


# --- Sandbox mailbox ----------------------------------------------------------------------------

HEAD = (
    b"From: News <news@example.com>\r\nTo: =?utf-8?q?Ren=C3=A9e?= <r@example.com>\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n"
)
PICTURE = b"iVBORw0KGgo="
MAIL = (
    HEAD + b'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\n'
    b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Bonjour</p><img src=\"cid:logo@x\"><script>alert(1)</script>\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + PICTURE + b"\r\n--b--\r\n"
)  # fmt: skip


def keep(account: Account, *, recipient: str = "r@example.com", raw: bytes = MAIL, subject: str = "Hi") -> SandboxMail:
    return SandboxMail.objects.create(
        account=account,
        message_id="12345678-1234-4234-8234-123456789012",
        recipient=recipient,
        subject=subject,
        raw=zlib.compress(raw),
        received_at=timezone.now(),
    )


def test_a_mail_is_read_with_its_headers_decoded(door: Client, account: Account) -> None:
    page = door.get(f"{MAILBOX}{keep(account).public_id}/change/").content.decode()
    assert "<h2>Café</h2>" in page
    assert "Renée &lt;r@example.com&gt;" in page
    assert 'sandbox=""' in page


def test_a_mailbox_shows_addresses_as_their_owners_write_them(door: Client, account: Account) -> None:
    raw = MAIL.replace(b"r@example.com", b"r@xn--bcher-kva.example")
    mail = keep(account, recipient="r@xn--bcher-kva.example", raw=raw)
    page = door.get(f"{MAILBOX}{mail.public_id}/change/").content.decode().partition("All headers")[0]
    assert page.count("r@bücher.example") == 2
    assert "xn--" not in page


def test_the_frame_shows_the_mails_own_pictures_and_nothing_from_outside(door: Client, account: Account) -> None:
    answer = door.get(f"{MAILBOX}{keep(account).public_id}/part/")
    assert f"data:image/png;base64,{PICTURE.decode()}" in answer.content.decode()
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy.split(";")[0]
    assert "http" not in policy


def test_a_mail_downloads_byte_for_byte(door: Client, account: Account) -> None:
    answer = door.get(f"{MAILBOX}{keep(account).public_id}/mail.eml")
    assert answer.content == MAIL
    assert "attachment" in answer.headers["Content-Disposition"]


def test_the_mailbox_is_filtered_by_a_recipient_that_is_in_no_url(door: Client, account: Account) -> None:
    keep(account, recipient="ada@example.com", subject="For Ada")
    keep(account, recipient="grace@example.com", subject="For Grace")
    answer = door.post(f"{MAILBOX}filter/", {"address": "ADA@example.com"})
    assert "ada" not in answer.headers["Location"]
    page = door.get(MAILBOX).content.decode()
    assert "For Ada" in page
    assert "For Grace" not in page
    door.post(f"{MAILBOX}filter/", {"address": ""})
    assert "For Grace" in door.get(MAILBOX).content.decode()


def test_pages_go_to_older_and_back_without_counting(door: Client, account: Account) -> None:
    for number in range(60):
        keep(account, subject=f"Mail {number:02}.")
    rows = list(SandboxMail.objects.order_by("-id").values_list("id", flat=True))
    with CaptureQueriesContext(connection) as queries:
        second = door.get(f"{MAILBOX}?before={rows[24]}").content.decode()
    assert not [query for query in queries if "COUNT(" in query["sql"] and "sandboxmail" in query["sql"]]
    assert "Mail 34." in second
    assert "Mail 35." not in second
    assert f"?after={rows[25]}" in second
    back = door.get(f"{MAILBOX}?after={rows[25]}").content.decode()
    assert "Mail 59." in back
    assert "Mail 34." not in back


@pytest.mark.parametrize("place", ["?before=abc", "?after=-1", "?before=999999999999999999999", "?page=x"])
def test_a_mangled_place_in_the_mailbox_is_no_error(door: Client, account: Account, place: str) -> None:
    keep(account)
    assert door.get(f"{MAILBOX}{place}").status_code == 200


def test_a_mail_without_html_shows_its_text() -> None:
    mail = read_mail(HEAD + b"Content-Type: text/plain\r\n\r\nPlain words\r\n")
    assert (mail.html, mail.text.strip()) == ("", "Plain words")
