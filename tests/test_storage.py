"""Copies of what was sent: kept by the account's terms, found, read, archived, and gone on their day."""

from __future__ import annotations

import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django import Settings

from campaigns import tasks
from campaigns.audiences import personal_data
from campaigns.errors import CampaignError
from campaigns.models import Account, BaaStatus, Door, KeptMail, Message, Role, SandboxMail
from campaigns.outbox.transports import seal_config
from campaigns.storage import archive, finding
from campaigns.storage.keeping import read_subject
from compliance.models import AuditEvent
from compliance.shredding import shred_expired
from config.checks import check_archive
from tests.api import Program, text_of
from tests.factories import make_account, make_transport, make_user
from tests.infobip_server import KEY, InfobipServer
from tests.s3_server import bucket_for_archive
from tests.tracked import TrackedSend

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    """The archive is a folder of this test."""
    options = {"location": tmp_path / "archive", "allow_overwrite": True, "directory_permissions_mode": 0o700}
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {**settings.STORAGES, "archive": {"BACKEND": backend, "OPTIONS": options}}


def make_program(*, active: int = 5, archived: int = 0, **fields: Any) -> Program:
    return Program(make_account(active_storage_days=active, archive_storage_days=archived, **fields))


def sent_copy(program: Program, *to: str, **changes: Any) -> KeptMail | None:
    """What is kept of the mail just sent; None when nothing is."""
    program.send(*to, **changes)
    program.work()
    return KeptMail.objects.select_related("account").order_by("-pk").first()


def test_a_copy_is_the_mail_byte_for_byte_and_sealed(tmp_path: Path) -> None:
    program = make_program()
    kept = sent_copy(program, "ann@example.com", content={"subject": "Grüße, Ann", "text": "Your code is 4711."})
    assert kept is not None
    assert finding.open_copy(kept) == zlib.decompress(SandboxMail.objects.get().raw)
    assert (kept.subject, kept.sender) == ("Grüße, Ann", f"shop@{program.domain.name}")
    assert b"4711" not in bytes(kept.sealed or b"")
    assert "ann@example.com" not in str(KeptMail.objects.values().get())


def test_campaigns_are_kept_too() -> None:
    sent = TrackedSend(make_account(active_storage_days=3), readers=3)
    mails = {row.recipient: zlib.decompress(row.raw) for row in SandboxMail.objects.all()}
    copies = {row.public_id: finding.open_copy(row) for row in KeptMail.objects.select_related("account")}
    assert {copies[m.public_id] for m in Message.objects.all()} == set(mails.values())
    assert len(copies) == len(sent.addresses) == 3


def test_what_a_provider_puts_together_is_kept_as_we_would_have_sent_it(settings: Settings) -> None:
    settings.NET_ALLOW_PRIVATE = True
    account = make_account(active_storage_days=3)
    with InfobipServer() as server:
        make_default(account, server)
        program = Program(account)
        program.send("ann@example.com", content={"subject": "Your order", "text": "It is on its way."})
        program.work()
    (kept,) = KeptMail.objects.select_related("account")
    data = finding.open_copy(kept)
    assert b"Subject: Your order\r\n" in data
    assert "It is on its way." in finding.read_text(data)


def make_default(account: Account, server: InfobipServer) -> None:
    account.transports.update(is_default=False)
    made = make_transport(account, kind="infobip", is_default=True)
    made.config_sealed = seal_config(made, config={"base_url": server.url, "api_key": KEY, "connections": 2})
    made.save()


def test_nothing_is_kept_unless_the_account_says_so() -> None:
    assert sent_copy(make_program(active=0)) is None


@pytest.mark.parametrize(
    ("storage", "kept"),
    [
        ({"skipActive": True}, (False, True)), ({"skipPassive": True}, (True, False)),
        ({"skipActive": False, "skipPassive": None}, (True, True)),
    ],
)  # fmt: skip
def test_a_request_can_ask_for_less(storage: dict[str, Any], kept: tuple[bool, bool]) -> None:
    """infobip.md §1.1: `storage`; false or absent is the account's setting."""
    copy = sent_copy(make_program(archived=365), storage=storage)
    assert copy is not None
    assert (copy.active_until is not None, copy.archive_until is not None) == kept
    program = make_program()
    sent_copy(program, storage={"skipActive": True})
    assert not KeptMail.objects.filter(account=program.account).exists()


def test_the_older_form_has_the_same_switches() -> None:
    """infobip.md §1.2."""
    program = make_program(archived=10)
    form = {"from": program.sender, "to": "ann@example.com", "subject": "Hi", "text": "x", "skipActiveStorage": "True"}
    assert program.client.post("/email/3/send", form, headers=program.headers).status_code == 200
    program.work()
    copy = KeptMail.objects.get()
    assert (copy.active_until, copy.archive_until is not None) == (None, True)


def test_under_an_agreement_nothing_is_kept_and_what_was_is_deleted(tmp_path: Path) -> None:
    """infobip.md H8, H9: active and archive storage are not eligible."""
    program = make_program(archived=10)
    kept = sent_copy(program)
    assert kept is not None
    tasks.ship_to_archive()
    program.account.baa_status = BaaStatus.ACTIVE
    program.account.save()
    with pytest.raises(CampaignError, match="not kept"):
        finding.open_copy(KeptMail.objects.select_related("account").get())
    call_command("expire_storage")
    assert not KeptMail.objects.exists()
    assert [path for path in (tmp_path / "archive").rglob("*") if path.is_file()] == []
    admin = Client()
    admin.force_login(make_user(is_superuser=True))
    page = f"/admin/campaigns/account/{program.account.public_id}/change/"
    form = admin.get(page).context["adminform"].form
    data = {name: "" if value is None else value for name, value in form.initial.items()} | {"active_storage_days": 5}
    answer = admin.post(page, {**data, **_no_rows(admin, page)})
    assert "Nothing is kept under an agreement" in answer.content.decode()


def _no_rows(client: Client, page: str) -> dict[str, Any]:
    forms = client.get(page).context["inline_admin_formsets"]
    return {f"{each.formset.prefix}-{name}_FORMS": 0 for each in forms for name in ("TOTAL", "INITIAL")}


def test_notices_with_a_readers_own_links_are_never_kept() -> None:
    program = make_program()
    program.send()
    Message.objects.get().submission.__class__.objects.update(door=Door.NOTICE)
    program.work()
    assert not KeptMail.objects.exists()


def test_what_was_refused_has_no_copy() -> None:
    assert sent_copy(make_program(), "bounce@example.com") is None


def test_an_account_keeps_no_more_than_it_has_room_for() -> None:
    program = make_program(storage_limit_mb=1)
    kept = sent_copy(program)
    assert kept is not None
    KeptMail.objects.update(sealed_size=1024 * 1024)
    program.send("bo@example.com")
    program.work()
    assert Message.objects.filter(state="sent").count() == 2
    assert KeptMail.objects.count() == 1


def test_a_copy_dies_with_its_key_on_its_day_wherever_it_lies() -> None:
    """NIST SP 800-88: cryptographic erase; a backup of the row does not open either."""
    program = make_program(active=1)
    with time_machine.travel(timezone.now() - timedelta(days=30)):
        kept = sent_copy(program)
        assert kept is not None
    shred_expired(now=timezone.now())
    with pytest.raises(CampaignError, match="not kept any more"):
        finding.open_copy(KeptMail.objects.select_related("account").get())


def test_copies_leave_active_storage_on_their_day_and_the_archive_on_its_own(tmp_path: Path) -> None:
    program = make_program(active=5, archived=100)
    sent_copy(program)
    tasks.ship_to_archive()
    files = [path for path in (tmp_path / "archive").rglob("*") if path.is_file()]
    assert len(files) == 1
    assert b"ann@example.com" not in files[0].read_bytes()
    with time_machine.travel(timezone.now() + timedelta(days=6)):
        tasks.expire_storage()
        kept = KeptMail.objects.select_related("account").get()
        assert (kept.sealed, kept.active_until, kept.is_archived) == (None, None, True)
        assert b"It is on its way." in finding.open_copy(kept)
    with time_machine.travel(timezone.now() + timedelta(days=101)):
        tasks.expire_storage()
        assert not KeptMail.objects.exists()
        assert not files[0].exists()


def test_the_archive_in_a_bucket_takes_fetches_and_deletes(settings: Settings) -> None:
    """By django-storages and boto3, as in production; only the other end is ours."""
    program = make_program(active=0, archived=30)
    with bucket_for_archive(settings.STORAGES) as bucket:
        sent_copy(program, "ann@example.com", "bo@example.com")
        bucket.is_down = True
        tasks.ship_to_archive()
        assert KeptMail.objects.filter(is_archived=False, sealed__isnull=False).count() == 2
        bucket.is_down = False
        tasks.ship_to_archive()
        assert KeptMail.objects.filter(is_archived=True, sealed=None).count() == 2
        kept = KeptMail.objects.select_related("account").first()
        assert kept is not None
        assert f"copies/{archive.object_name(kept)}" in bucket.objects
        assert "It is on its way." in finding.read_text(finding.open_copy(kept))
        bucket.is_down = True
        with pytest.raises(CampaignError, match="does not answer"):
            finding.open_copy(kept)
        bucket.is_down = False
        with time_machine.travel(timezone.now() + timedelta(days=31)):
            tasks.expire_storage()
        assert (bucket.objects, KeptMail.objects.count()) == ({}, 0)


def test_erasing_a_person_ends_their_copies(tmp_path: Path) -> None:
    program = make_program(archived=100)
    sent_copy(program, "ann@example.com", "bo@example.com")
    tasks.ship_to_archive()
    key = Message.objects.get(recipient="ann@example.com").address_key
    personal_data.erase_person(program.account, address_key=key)
    found = finding.find_mails(Account.objects.all(), finding.Wanted())
    assert [Message.objects.get(public_id=row.public_id).recipient for row in found] == ["bo@example.com"]
    tasks.expire_storage()
    assert KeptMail.objects.count() == 1
    assert len([path for path in (tmp_path / "archive").rglob("*") if path.is_file()]) == 1


# --- By the screens and the API ---------------------------------------------------------------------------------------


class Office:
    """Somebody at the screen of stored mail."""

    page = "/admin/campaigns/keptmail/"

    def __init__(self, account: Account, role: str = Role.OPERATOR) -> None:
        self.client = Client()
        self.user = make_user(account, role=role)
        self.client.force_login(self.user)

    def find(self, **wanted: str) -> str:
        answer = self.client.post(f"{self.page}search/", wanted, follow=True)
        assert "@" not in answer.redirect_chain[-1][0]
        return str(answer.content.decode())


def test_a_mail_is_found_by_exact_address_id_subject_and_state() -> None:
    program = make_program()
    program.send("ann@example.com", content={"subject": "Invoice 77", "text": "x"})
    sent_copy(program, "bo@example.com", content={"subject": "Welcome", "text": "x"})
    office = Office(program.account)
    ann = Message.objects.get(recipient="ann@example.com")
    for wanted in ({"recipient": "Ann@EXAMPLE.com"}, {"message_id": str(ann.public_id)}, {"subject": "77 invoice"}):
        page = office.find(**wanted)
        assert ("Invoice 77" in page, "Welcome" in page) == (True, False), wanted
    Message.objects.filter(pk=ann.pk).update(state="bounced")
    page = office.find(state="bounced")
    assert ("Invoice 77" in page, "Welcome" in page) == (True, False)
    assert "Write the whole address" in office.find(recipient="ann@")
    assert "Nothing like that is kept" in office.find(recipient="ann@example.co")


def test_reading_and_downloading_stand_in_the_audit_trail() -> None:
    program = make_program()
    kept = sent_copy(program, content={"subject": "Hello", "html": "<p>Hi</p><script>x()</script>"})
    assert kept is not None
    office = Office(program.account)
    shown = office.client.get(f"{office.page}{kept.public_id}/change/").content.decode()
    assert 'sandbox=""' in shown
    part = office.client.get(f"{office.page}{kept.public_id}/part/")
    assert part.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    answer = office.client.get(f"{office.page}{kept.public_id}/mail.eml")
    assert answer.content == finding.open_copy(kept)
    assert answer.headers["Content-Type"] == "message/rfc822"
    assert "no-store" in answer.headers["Cache-Control"]
    events = AuditEvent.objects.filter(thing_id=str(kept.public_id)).order_by("seq")
    assert [(event.action, event.actor_id) for event in events] == [
        ("mail.read", str(office.user.pk)), ("mail.downloaded", str(office.user.pk)),
    ]  # fmt: skip


@pytest.mark.parametrize("role", [Role.AUTHOR, Role.APPROVER, Role.VIEWER, Role.AUDITOR, "stranger"])
def test_others_see_no_stored_mail(role: str) -> None:
    program = make_program()
    kept = sent_copy(program)
    assert kept is not None
    office = Office(make_account(), Role.OPERATOR) if role == "stranger" else Office(program.account, role)
    for view in ("change/", "part/", "mail.eml"):
        assert office.client.get(f"{office.page}{kept.public_id}/{view}").status_code == 404
    listed = office.client.get(office.page)
    assert listed.status_code == (200 if role == "stranger" else 403)
    assert b"Your order" not in listed.content


def test_logs_of_the_api_have_the_text_where_a_copy_is_kept() -> None:
    """infobip.md §1.4: rows of logs have `text`."""
    program = make_program()
    sent_copy(program)
    (row,) = program.get("/email/4/logs").json()["results"]
    assert row["text"].strip() == "It is on its way."
    KeptMail.objects.all().delete()
    assert program.get("/email/1/logs").json()["results"][0]["text"] == ""


def test_a_programs_mail_can_be_read_in_the_browser_while_its_copy_is_kept() -> None:
    """infobip.md §5: {$browserlink}, off for API traffic unless asked for."""
    program = make_program()
    html = '<p>Hello {{name}}</p><a href="{$browserlink}">Read online</a>'
    people = [{"destination": "ann@example.com", "placeholders": '{"name": "Ann & co"}'}]
    program.send(content={"subject": "Hi", "html": html}, destinations=[{"to": people}])
    (mail,) = program.work()
    link = text_of(mail, "html").partition('href="')[2].partition('"')[0]
    page = Client().get("/" + link.partition("//")[2].partition("/")[2])
    assert "Hello Ann &amp; co" in page.content.decode()
    KeptMail.objects.update(sealed=None)
    assert Client().get("/" + link.partition("//")[2].partition("/")[2]).status_code == 404
    other = make_program(active=0)
    other.send(content={"subject": "Hi", "html": html}, destinations=[{"to": people}])
    assert other.work() == []
    assert Message.objects.get(submission__account=other.account).error_code == "content.value-missing"


@pytest.mark.parametrize(
    ("head", "subject"),
    [
        (b"From: a\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_an_alle?=\r\nTo: b\r\n\r\nSubject: no", "Grüße an alle"),
        (b"Subject: one\r\n two\r\n\r\n", "one two"),
        (b"From: a\r\n\r\nSubject: in the body", ""),
        (b"Subject: =?nonsense?q?x?=\r\n\r\n", "=?nonsense?q?x?="),
        (b"", ""),
    ],
)  # fmt: skip
def test_subjects_are_read_as_people_read_them(head: bytes, subject: str) -> None:
    assert read_subject(head) == subject


@override_settings(LOCAL=False)
def test_the_start_says_when_a_bucket_is_reached_in_the_clear(settings: Settings) -> None:
    with bucket_for_archive(settings.STORAGES):
        assert [found.id for found in check_archive()] == ["sealpost.W005"]
    assert check_archive() == []
