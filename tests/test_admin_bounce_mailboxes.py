"""Mailboxes for bounces, through the admin's door: added, tried out, seen, and nothing secret comes back out."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from campaigns.inbound.mailboxes import read_secrets, seal_secrets
from campaigns.models import Account, BounceMailbox, MailboxMail, Role
from tests.browser import LOOKS, MARKS, Eyes
from tests.factories import make_account, make_user
from tests.mailbox_server import PASSWORD, USERNAME, Mailbox, MailboxServer

MAILBOXES = "/admin/campaigns/bouncemailbox/"
ENTERED = {
    "name": "Old provider", "login": "password", "kind": "imap", "host": "imap.example.org", "port": "993",
    "starts_tls": "start", "username": "bounces@example.org", "password": "s3cret-pass", "folder": "INBOX", "is_active": "on",
}  # fmt: skip
MICROSOFT = {
    "login": "microsoft", "client_id": "app-1", "tenant": "example.org", "client_secret": "s3cret-client",
    "refresh_token": "s3cret-refresh",
}  # fmt: skip


@pytest.fixture
def account(db: None) -> Account:
    return make_account()


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


def read(door: Client, path: str) -> str:
    return html.unescape(door.get(f"{MAILBOXES}{path}").content.decode())


def add(door: Client, **change: str) -> BounceMailbox:
    door.post(f"{MAILBOXES}add/", ENTERED | change)
    return BounceMailbox.objects.get(name=change.get("name", ENTERED["name"]))


def test_first_where_the_mailbox_is_and_then_its_settings(door: Client) -> None:
    assert 'href="?login=microsoft"' in read(door, "add/")
    page = read(door, "add/?login=microsoft")
    assert 'value="outlook.office365.com"' in page
    assert 'name="tenant"' in page
    assert 'name="password"' not in page


def test_a_password_is_stored_sealed_and_never_shown(
    door: Client, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        mailbox = add(door)
    assert read_secrets(mailbox) == {"password": "s3cret-pass"}
    assert (mailbox.account, mailbox.host, mailbox.starts_tls, mailbox.is_active) == (
        account,
        "imap.example.org",
        False,
        True,
    )
    assert b"s3cret" not in bytes(mailbox.secrets_sealed)
    assert "s3cret" not in read(door, f"{mailbox.public_id}/change/") + caplog.text


def test_oauth_secrets_are_stored_sealed_and_never_shown(door: Client) -> None:
    mailbox = add(door, **MICROSOFT)
    assert read_secrets(mailbox) == {name: value for name, value in MICROSOFT.items() if name != "login"}
    page = read(door, f"{mailbox.public_id}/change/")
    assert "s3cret" not in page
    assert 'value="app-1"' in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": ""}, "This field is required"),
        ({"host": "imap example org"}, "Write the name of the mail server"),
        ({"password": ""}, "This field is required"),
        ({"port": "0"}, "greater than or equal to 1"),
        ({"folder": "Rückläufer"}, "plain letters only"),
        ({"username": "a\tb"}, "cannot be used"),
        ({"kind": "smtp"}, "Select a valid choice"),
    ],
)
def test_what_cannot_work_is_refused_beside_its_field(door: Client, change: dict[str, str], words: str) -> None:
    page = html.unescape(door.post(f"{MAILBOXES}add/", ENTERED | change).content.decode())
    assert words in page
    assert "s3cret" not in page
    assert not BounceMailbox.objects.exists()


def test_a_name_is_given_once(door: Client) -> None:
    add(door)
    page = html.unescape(door.post(f"{MAILBOXES}add/", ENTERED).content.decode())
    assert "Another mailbox has this name" in page


def test_a_stored_password_is_kept_when_left_empty(door: Client) -> None:
    mailbox = add(door)
    door.post(
        f"{MAILBOXES}{mailbox.public_id}/change/", ENTERED | {"password": "", "port": "143", "starts_tls": "later"}
    )
    mailbox.refresh_from_db()
    assert (read_secrets(mailbox), mailbox.port, mailbox.starts_tls) == ({"password": "s3cret-pass"}, 143, True)


def test_a_stored_password_does_not_follow_to_another_server(door: Client) -> None:
    """Evil input 40: whoever may edit the form could have it sent to a server of their own."""
    mailbox = add(door)
    url = f"{MAILBOXES}{mailbox.public_id}/change/"
    page = html.unescape(door.post(url, ENTERED | {"password": "", "host": "evil.example.net"}).content.decode())
    assert "enter it again" in page
    mailbox.refresh_from_db()
    assert mailbox.host == "imap.example.org"


def test_a_mailbox_somewhere_else_is_read_from_its_beginning(door: Client) -> None:
    mailbox = add(door)
    BounceMailbox.objects.update(last_uid=9, uid_validity=7, trouble="x", looked_at=timezone.now())
    MailboxMail.objects.create(mailbox=mailbox, uid="1")
    url = f"{MAILBOXES}{mailbox.public_id}/change/"
    door.post(url, ENTERED | {"port": "994"})
    mailbox.refresh_from_db()
    assert (mailbox.last_uid, mailbox.trouble, mailbox.looked_at) == (9, "", None)
    door.post(url, ENTERED | {"folder": "Bounces"})
    mailbox.refresh_from_db()
    assert (mailbox.last_uid, mailbox.uid_validity, mailbox.seen.count()) == (0, 0, 0)


def test_its_state_is_said(door: Client) -> None:
    mailbox = add(door)
    assert "Not looked at yet" in read(door, "")
    BounceMailbox.objects.update(worked_at=timezone.now())
    assert "Works" in read(door, "")
    BounceMailbox.objects.update(trouble="The mail server does not answer.")
    assert "Does not work" in read(door, "")
    assert "The mail server does not answer." in read(door, f"{mailbox.public_id}/change/")
    BounceMailbox.objects.update(is_active=False)
    assert "Switched off" in read(door, "")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[MailboxServer]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    settings.NET_ALLOW_PRIVATE = True
    with MailboxServer("imap", Mailbox(), authority=authority) as running:
        yield running


def make_local(account: Account, server: MailboxServer) -> BounceMailbox:
    mailbox = BounceMailbox(account=account, name="Local", host="localhost", port=server.port, username=USERNAME)
    mailbox.secrets_sealed = seal_secrets(mailbox, secrets={"password": PASSWORD})
    mailbox.save()
    return mailbox


def test_it_is_tried_in_front_of_the_person(door: Client, account: Account, server: MailboxServer) -> None:
    mailbox = make_local(account, server)
    server.mailbox.add(b"Subject: x\r\n\r\n")
    page = door.post(f"{MAILBOXES}{mailbox.public_id}/try/", follow=True).content.decode()
    assert "It lets us in. 1 mail is new." in page
    BounceMailbox.objects.update(secrets_sealed=seal_secrets(mailbox, secrets={"password": "wrong"}))
    page = door.post(f"{MAILBOXES}{mailbox.public_id}/try/", follow=True).content.decode()
    assert "refuses the user name or the password" in page


def test_it_is_read_at_once_when_somebody_asks(
    door: Client, account: Account, server: MailboxServer, django_capture_on_commit_callbacks: Any
) -> None:
    mailbox = make_local(account, server)
    server.mailbox.add(b"Subject: x\r\n\r\n")
    with django_capture_on_commit_callbacks(execute=True):
        door.post(f"{MAILBOXES}{mailbox.public_id}/look/")
    mailbox.refresh_from_db()
    assert mailbox.read_count == 1


@pytest.mark.parametrize("path", ["change/", "try/", "look/", "delete/"])
def test_a_stranger_finds_nothing(client: Client, door: Client, path: str) -> None:
    """Evil input 40."""
    mailbox = add(door)
    client.force_login(make_user(make_account(), role=Role.OPERATOR))
    assert client.post(f"{MAILBOXES}{mailbox.public_id}/{path}", ENTERED).status_code == 404
    assert "Old provider" not in read(client, "")


@pytest.mark.parametrize("path", ["change/", "try/", "look/"])
def test_who_may_only_see_changes_nothing(client: Client, door: Client, account: Account, path: str) -> None:
    mailbox = add(door)
    client.force_login(make_user(account, role=Role.VIEWER))
    assert client.get(f"{MAILBOXES}{mailbox.public_id}/change/").status_code == 200
    assert client.post(f"{MAILBOXES}{mailbox.public_id}/{path}", ENTERED).status_code == 403
    assert client.get(f"{MAILBOXES}add/").status_code == 403


def test_the_thresholds_of_an_account_are_set_on_its_page(door: Client, account: Account) -> None:
    url = f"/admin/campaigns/account/{account.public_id}/change/"
    page = html.unescape(door.get(url).content.decode())
    assert "Give up an address after so many mails in a row came back" in page
    assert 'name="soft_bounces_to_stop" value="5"' in page


class TestScreens:
    pytestmark = MARKS

    @pytest.mark.parametrize(("width", "scheme"), LOOKS)
    def test_bounce_mailboxes_on_every_screen(self, open_eyes: Callable[..., Eyes], width: int, scheme: str) -> None:
        account = make_account(name="Green Garden")
        mailbox = BounceMailbox.objects.create(
            account=account,
            name="Old provider",
            host="imap.example.org",
            username="bounces@example.org",
            looked_at=timezone.now(),
            worked_at=timezone.now() - timedelta(days=2),
            read_count=12_480,
            recorded_count=9_115,
            trouble="The mail server refuses the user name or the password. Enter them again.",
        )
        eyes = open_eyes(width, scheme, user=make_user(account, role=Role.OPERATOR))
        for name, path in {
            "list": "",
            "choose": "add/",
            "password-new": "add/?login=password",
            "microsoft-new": "add/?login=microsoft",
            "page": f"{mailbox.public_id}/change/",
        }.items():
            eyes.page.goto(f"{MAILBOXES}{path}")
            eyes.look(f"mailbox-{name}")
