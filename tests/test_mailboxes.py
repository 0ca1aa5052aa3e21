"""Mailboxes that bounces arrive in, on real servers over real TLS: read once, emptied only of what is recorded."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme
from pytest_django import Settings

from campaigns import jobs, tasks
from campaigns.inbound import mailboxes, oauth
from campaigns.inbound.clients import MailboxTrouble
from campaigns.inbound.mailboxes import find_due, look_into, read_secrets, seal_secrets, try_mailbox
from campaigns.inbound.oauth import ISSUERS, Issuer
from campaigns.models import Account, BounceMailbox, MailboxMail, Message, MessageState
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list
from tests.http_server import LoopbackServer, Reply
from tests.mailbox_server import PASSWORD, TOKEN, USERNAME, Mailbox, MailboxServer
from tests.reports import make_dsn, return_path

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HUMAN = b"From: ann@example.com\r\nSubject: Re: News\r\n\r\nHello!\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Our authority is trusted and loopback allowed."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    settings.NET_ALLOW_PRIVATE = True


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture(params=["imap", "pop3"])
def server(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[MailboxServer]:
    with MailboxServer(request.param, Mailbox(), authority=authority) as running:
        yield running


def make_mailbox(
    account: Account, server: MailboxServer, *, secrets: dict[str, Any] | None = None, **fields: Any
) -> BounceMailbox:
    fields = {"name": "Bounces", "kind": server.protocol, "host": "localhost", "username": USERNAME} | fields
    mailbox = BounceMailbox(account=account, port=server.port, **fields)
    mailbox.secrets_sealed = seal_secrets(mailbox, secrets=secrets or {"password": PASSWORD})
    mailbox.save()
    return mailbox


def make_messages(account: Account, count: int = 1) -> list[Message]:
    readers = make_list(account)
    for _ in range(count):
        make_contact(account, lists=[readers])
    submission = sending.send_now(make_campaign(account, lists=[readers]))
    fanout.plan_submission(submission.pk)
    Message.objects.update(state=MessageState.SENT, attempts=1, sent_at=NOW - timedelta(hours=1))
    return list(Message.objects.order_by("pk"))


def bounce_of(message: Message) -> bytes:
    return make_dsn(message.recipient, to=return_path(message))


def look(mailbox: BounceMailbox, *, now: datetime = NOW) -> tuple[int, int]:
    """(read, recorded) of one look."""
    found = look_into(mailbox.pk, now=now)
    assert found is not None
    mailbox.refresh_from_db()
    return found.read, found.recorded


# --- Reading ----------------------------------------------------------------------------------------


def test_what_is_new_is_read_once(account: Account, server: MailboxServer) -> None:
    first, second = make_messages(account, 2)
    mailbox = make_mailbox(account, server)
    server.mailbox.add(bounce_of(first), HUMAN)
    assert look(mailbox) == (2, 1)
    server.mailbox.add(bounce_of(second))
    assert look(mailbox) == (1, 1)
    assert look(mailbox) == (0, 0)
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.BOUNCED}
    assert (mailbox.read_count, mailbox.recorded_count, mailbox.trouble) == (3, 2, "")
    assert (mailbox.looked_at, mailbox.worked_at, mailbox.lease_until) == (NOW, NOW, None)


def test_nothing_is_taken_away_unless_asked(account: Account, server: MailboxServer) -> None:
    (message,) = make_messages(account)
    server.mailbox.add(bounce_of(message), HUMAN)
    look(make_mailbox(account, server))
    assert len(server.mailbox.mails) == 2
    assert not any("Seen" in said or said.startswith("DELE") for said in server.said)


def test_only_what_is_recorded_is_taken_away(account: Account, server: MailboxServer) -> None:
    """A person's mail, somebody else's bounce, and one nobody understands stay."""
    (message, other) = make_messages(account, 2)
    unclear = make_dsn(other.recipient, to=return_path(other), status="5.0.0", diagnostic="550 hm")
    server.mailbox.add(HUMAN, bounce_of(message), make_dsn("eve@example.com"), unclear)
    look(make_mailbox(account, server, deletes=True))
    assert server.mailbox.deleted == [2]


def test_a_bounce_that_cannot_be_recorded_yet_stays_and_is_read_again(account: Account, server: MailboxServer) -> None:
    """Nothing is deleted before it is stored."""
    (message,) = make_messages(account)
    mailbox = make_mailbox(account, server, deletes=True)
    server.mailbox.add(bounce_of(message))
    Message.objects.update(state=MessageState.SENDING)
    assert look(mailbox) == (0, 0)
    assert not server.mailbox.deleted
    Message.objects.update(state=MessageState.SENT)
    assert look(mailbox) == (1, 1)
    assert server.mailbox.deleted == [1]


def test_a_mailbox_acts_on_mail_of_its_own_account_only(account: Account, server: MailboxServer) -> None:
    """Evil input 24."""
    (message,) = make_messages(account)
    server.mailbox.add(bounce_of(message))
    assert look(make_mailbox(make_account(), server)) == (1, 0)
    message.refresh_from_db()
    assert message.state == MessageState.SENT


def test_a_full_mailbox_is_read_in_portions(
    account: Account, server: MailboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailboxes, "MOST_MAILS", 2)
    mailbox = make_mailbox(account, server)
    server.mailbox.add(*[HUMAN] * 5)
    assert [look(mailbox)[0] for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.parametrize(
    "line", [b"y" * 3_000_000, b"y" * 9_000_000, b"y\n" * 2_000_000], ids=["long", "longer", "many"]
)
def test_a_huge_mail_does_not_stand_in_the_way(account: Account, server: MailboxServer, line: bytes) -> None:
    """Evil input 32."""
    first, second = make_messages(account, 2)
    server.mailbox.add(bounce_of(first) + line, bounce_of(second))
    mailbox = make_mailbox(account, server)
    assert look(mailbox)[0] == 2
    second.refresh_from_db()
    assert (mailbox.trouble, second.state) == ("", MessageState.BOUNCED)


def test_mails_numbered_anew_are_read_from_the_beginning(account: Account, authority: trustme.CA) -> None:
    """RFC 3501 §2.3.1.1: UIDVALIDITY."""
    with MailboxServer("imap", Mailbox(), authority=authority) as server:
        mailbox = make_mailbox(account, server)
        server.mailbox.add(HUMAN, HUMAN)
        assert [look(mailbox)[0], look(mailbox)[0]] == [2, 0]
        server.mailbox.validity += 1
        assert look(mailbox)[0] == 2


def test_mails_others_took_away_are_forgotten(account: Account, authority: trustme.CA) -> None:
    with MailboxServer("pop3", Mailbox(), authority=authority) as server:
        mailbox = make_mailbox(account, server)
        server.mailbox.add(HUMAN, HUMAN)
        look(mailbox)
        server.mailbox.mails.clear()
        look(mailbox)
        assert not MailboxMail.objects.exists()


def test_without_uidplus_a_mail_is_only_marked(account: Account, authority: trustme.CA) -> None:
    """RFC 4315: a plain EXPUNGE would take along what others marked."""
    with MailboxServer("imap", Mailbox(), authority=authority) as server:
        server.extensions = ""
        (message,) = make_messages(account)
        server.mailbox.add(bounce_of(message))
        look(make_mailbox(account, server, deletes=True))
        assert [said for said in server.said if "STORE" in said or "EXPUNGE" in said] == [
            "UID STORE 1 +FLAGS.SILENT (\\Deleted)"
        ]


# --- Getting in -------------------------------------------------------------------------------------


def trouble_of(mailbox: BounceMailbox) -> str:
    with pytest.raises(MailboxTrouble) as caught:
        try_mailbox(mailbox, now=NOW)
    return caught.value.code


def test_trying_counts_and_reads_nothing(account: Account, server: MailboxServer) -> None:
    server.mailbox.add(HUMAN, HUMAN)
    assert try_mailbox(make_mailbox(account, server), now=NOW) == 2
    assert not any(said.startswith(("TOP", "UID FETCH")) for said in server.said)


def test_encryption_may_start_after_the_greeting(
    account: Account, server: MailboxServer, authority: trustme.CA
) -> None:
    with MailboxServer(server.protocol, server.mailbox, authority=authority, starts_tls=True) as plain:
        assert try_mailbox(make_mailbox(account, plain, starts_tls=True), now=NOW) == 0
        secret = [said for said in plain.said if PASSWORD in said]
        assert plain.said.index(secret[0]) > plain.said.index("STARTTLS" if plain.protocol == "imap" else "STLS")


def test_no_password_goes_over_a_line_without_encryption(
    account: Account, server: MailboxServer, authority: trustme.CA
) -> None:
    with MailboxServer(
        server.protocol, server.mailbox, authority=authority, starts_tls=True, offers_tls=False
    ) as plain:
        assert trouble_of(make_mailbox(account, plain, starts_tls=True)) == "mailbox.tls-not-offered"
        assert not any(PASSWORD in said for said in plain.said)


@pytest.mark.parametrize("starts_tls", [False, True])
def test_a_certificate_for_another_name_ends_it(
    account: Account, server: MailboxServer, authority: trustme.CA, starts_tls: bool
) -> None:
    with MailboxServer(
        server.protocol, server.mailbox, authority=authority, name="mail.example.org", starts_tls=starts_tls
    ) as other:
        assert trouble_of(make_mailbox(account, other, starts_tls=starts_tls)) == "mailbox.certificate-invalid"


def test_a_certificate_of_an_unknown_authority_ends_it(account: Account, server: MailboxServer) -> None:
    with MailboxServer(server.protocol, server.mailbox, authority=trustme.CA()) as stranger:
        assert trouble_of(make_mailbox(account, stranger)) == "mailbox.certificate-invalid"


def test_a_wrong_password_is_said(account: Account, server: MailboxServer) -> None:
    mailbox = make_mailbox(account, server, secrets={"password": "wrong"})
    assert trouble_of(mailbox) == "mailbox.login-refused"
    look(mailbox)
    assert mailbox.trouble.startswith("The mail server refuses the user name or the password.")
    assert mailbox.worked_at is None


@pytest.mark.parametrize("username", ["a\r\nDELETE INBOX", "a\nb"])
def test_a_name_with_a_line_end_never_reaches_the_server(
    account: Account, server: MailboxServer, username: str
) -> None:
    assert trouble_of(make_mailbox(account, server, username=username)) == "mailbox.broken"
    assert not any(said.startswith(("LOGIN", "USER", "DELETE")) for said in server.said)


def test_a_folder_that_is_not_there_is_said(account: Account, authority: trustme.CA) -> None:
    with MailboxServer("imap", Mailbox(), authority=authority) as server:
        assert trouble_of(make_mailbox(account, server, folder='Bounces" x')) == "mailbox.folder-missing"


def test_a_server_that_is_not_there_is_said(account: Account, server: MailboxServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    mailbox = make_mailbox(account, server)
    mailbox.port = port
    assert trouble_of(mailbox) == "mailbox.unreachable"


def test_our_own_network_is_not_reached(account: Account, server: MailboxServer, settings: Settings) -> None:
    """Evil input 26."""
    settings.NET_ALLOW_PRIVATE = False
    assert trouble_of(make_mailbox(account, server)) == "mailbox.address-refused"
    assert server.connections == 0


def test_a_password_of_another_row_does_not_open(account: Account, server: MailboxServer) -> None:
    """Evil input 40."""
    mailbox, other = make_mailbox(account, server), make_mailbox(account, server, name="Other")
    BounceMailbox.objects.filter(pk=other.pk).update(secrets_sealed=mailbox.secrets_sealed)
    other.refresh_from_db()
    assert trouble_of(other) == "mailbox.seal-broken"


def test_a_server_that_drips_for_ever_is_left(
    account: Account, server: MailboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evil input 27."""
    monkeypatch.setattr(mailboxes, "BUDGET_SECONDS", 0.5)
    server.mailbox.add(HUMAN)
    server.drips = True
    mailbox = make_mailbox(account, server)
    look(mailbox)
    assert mailbox.trouble.startswith("The mail server broke the conversation off.")


def test_a_server_that_announces_without_end_is_left(account: Account, authority: trustme.CA) -> None:
    """Evil input 32."""
    with MailboxServer("imap", Mailbox(), authority=authority) as server:
        server.mailbox.add(HUMAN)
        server.announces = 10_000_000_000
        mailbox = make_mailbox(account, server)
        look(mailbox)
        assert mailbox.trouble.startswith("The mail server broke the conversation off.")


# --- OAuth 2.0 (RFC 6749) ---------------------------------------------------------------------------


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    """Gives the token our servers take, and a new refresh token."""
    answer = {"access_token": TOKEN, "expires_in": 3600, "refresh_token": "refresh-2"}
    with LoopbackServer(lambda _: Reply.of(answer)) as running:
        for name, real in ISSUERS.items():
            local = Issuer(f"{running.url}/{{tenant}}/token", scope=real.scope, app_scope=real.app_scope)
            monkeypatch.setitem(oauth.ISSUERS, name, local)
        yield running


SECRETS = {"client_id": "our-app", "client_secret": "s3cret", "refresh_token": "refresh-1", "tenant": "example.org"}


@pytest.mark.parametrize("login", ["microsoft", "google"])
def test_a_token_lets_us_in(account: Account, server: MailboxServer, issuer: LoopbackServer, login: str) -> None:
    mailbox = make_mailbox(account, server, login=login, secrets=SECRETS)
    server.mailbox.add(HUMAN)
    assert look(mailbox) == (1, 0)
    asked = {name: value[0] for name, value in parse_qs(issuer.asked[0].body.decode()).items()}
    assert asked["grant_type"] == "refresh_token"
    assert (asked["client_id"], asked["client_secret"], asked["refresh_token"]) == ("our-app", "s3cret", "refresh-1")
    assert issuer.asked[0].path.startswith("/example.org/")


def test_a_token_is_used_as_long_as_it_lasts_and_a_new_refresh_token_is_kept(
    account: Account, server: MailboxServer, issuer: LoopbackServer
) -> None:
    mailbox = make_mailbox(account, server, login="microsoft", secrets=SECRETS)
    look(mailbox)
    look(mailbox, now=NOW + timedelta(minutes=30))
    assert len(issuer.asked) == 1
    look(mailbox, now=NOW + timedelta(minutes=58))
    assert len(issuer.asked) == 2
    assert b"refresh-2" in issuer.asked[1].body
    assert read_secrets(mailbox)["refresh_token"] == "refresh-2"


def test_an_application_may_open_a_microsoft_mailbox_on_its_own(
    account: Account, server: MailboxServer, issuer: LoopbackServer
) -> None:
    secrets = {name: value for name, value in SECRETS.items() if name != "refresh_token"}
    assert try_mailbox(make_mailbox(account, server, login="microsoft", secrets=secrets), now=NOW) == 0
    assert b"client_credentials" in issuer.asked[0].body
    other = make_mailbox(account, server, name="Google", login="google", secrets=secrets)
    assert trouble_of(other) == "mailbox.login-refused"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply.of({"error": "invalid_grant"}, 400), "mailbox.login-refused"),
        (Reply.of({"access_token": "a\r\nb"}), "mailbox.login-refused"),
        (Reply.of(["x"]), "mailbox.login-refused"),
        (Reply(body=b"<html>"), "mailbox.unreachable"),
        (Reply(status=302, headers={"Location": "http://127.0.0.1/"}), "mailbox.login-refused"),
        (Reply.of({"access_token": "wrong"}), "mailbox.login-refused"),
    ],
    ids=range(6),
)
def test_an_issuer_that_gives_no_token_is_said(
    account: Account, server: MailboxServer, issuer: LoopbackServer, reply: Reply, code: str
) -> None:
    issuer.answer = lambda _: reply
    assert trouble_of(make_mailbox(account, server, login="google", secrets=SECRETS)) == code


# --- When -------------------------------------------------------------------------------------------


def test_mailboxes_are_due_every_five_minutes_and_less_often_in_trouble(
    account: Account, server: MailboxServer
) -> None:
    fine = make_mailbox(account, server)
    broken = make_mailbox(account, server, name="Broken", secrets={"password": "wrong"})
    make_mailbox(account, server, name="Off", is_active=False)
    assert find_due(now=NOW) == [fine.pk, broken.pk]
    look(fine)
    look(broken)
    assert find_due(now=NOW + timedelta(minutes=4)) == []
    assert find_due(now=NOW + timedelta(minutes=5)) == [fine.pk]
    assert find_due(now=NOW + timedelta(minutes=30)) == [fine.pk, broken.pk]


def test_one_looks_at_a_time(account: Account, server: MailboxServer) -> None:
    mailbox = make_mailbox(account, server)
    BounceMailbox.objects.update(lease_until=NOW + timedelta(minutes=1))
    assert look_into(mailbox.pk, now=NOW) is None
    assert look_into(mailbox.pk, now=NOW + timedelta(minutes=2)) is not None
    assert look_into(0, now=NOW) is None


def test_the_schedule_looks_into_every_mailbox_that_is_due(
    account: Account, server: MailboxServer, django_capture_on_commit_callbacks: Any
) -> None:
    (message,) = make_messages(account)
    Message.objects.update(sent_at=datetime.now(UTC))
    server.mailbox.add(bounce_of(message))
    make_mailbox(account, server)
    assert jobs.Every("mailboxes", "campaigns.tasks.look_into_mailboxes", minutes=5) in tasks.SCHEDULES
    with django_capture_on_commit_callbacks(execute=True):
        tasks.look_into_mailboxes()
    message.refresh_from_db()
    assert message.state == MessageState.BOUNCED


def test_nothing_of_mails_or_secrets_is_logged(
    account: Account, server: MailboxServer, issuer: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    (message,) = make_messages(account)
    server.mailbox.add(bounce_of(message), HUMAN)
    with caplog.at_level(logging.DEBUG):
        look(make_mailbox(account, server, secrets={"password": PASSWORD}))
        look(make_mailbox(account, server, name="OAuth", login="google", secrets=SECRETS))
        look(make_mailbox(account, server, name="Wrong", secrets={"password": "wrong"}))
    for secret in (PASSWORD, TOKEN, "s3cret", "refresh-1", "@"):
        assert secret not in caplog.text


def test_no_thread_is_left_behind(account: Account, server: MailboxServer) -> None:
    before = threading.active_count()
    look(make_mailbox(account, server))
    assert threading.active_count() <= before + 1
