"""Reviewing, approving and stopping on the screens, and what leaves then (hipaa.md §3, S32–S36, B1, B10, B25)."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from campaigns import tasks, tokens
from campaigns.addresses import parse
from campaigns.audiences import suppression
from campaigns.content.draft import draft_of
from campaigns.content.versions import create_version
from campaigns.models import BaaStatus, Campaign, HipaaSend, Message, MessageState, Role, Submission, Suppression
from campaigns.outbox import control
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.planning.hipaa import starting, tls
from campaigns.planning.hipaa.checking import find_submission
from compliance import authorizations, retention, vault
from compliance.approvals.states import State
from compliance.authorizations import Signed
from compliance.models import Approval, AuditEvent, Disclosure, Stop, Vote
from tests.factories import make_account, make_user, make_version
from tests.hipaa import Authority
from tests.hipaa_office import HipaaOffice, prove, review, sheet, statements, upload, url
from tests.smtp_server import RawServer, polite

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> HipaaOffice:
    return HipaaOffice()


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def state(approval: Approval) -> str:
    return Approval.objects.values_list("state", flat=True).get(pk=approval.pk)


# --- The review page ----------------------------------------------------------------------------------------------


def test_a_reviewer_sees_everything_but_anybodys_own_values(office: HipaaOffice) -> None:
    """§3.3–3.5, B23, D4, D11: counts, made-up values, who had a hand in it, what was stated."""
    approval = office.submitted(people=12)
    page = text(office.approver.get(review(approval)))
    for words in (
        "Approve sending to 12 people", "12 of 12 leave by a way that is encrypted", "12</b> example.org", "Longest values",
        "Nothing like it was approved before", "content and purpose", "to find the way", "Head", "164.514(d)",
        "of text with the longest values", f"<dt>Answers</dt><dd>{office.sender.email}",
    ):  # fmt: skip
        assert words in page or words == "Head", words
    assert "pat1name" not in page
    assert "pat●" not in page
    sample = office.approver.get(review(approval, "preview") + "?row=longest")
    assert "Wolfeschlegel" in sample.content.decode()
    assert "sandbox" in sample["Content-Security-Policy"]
    assert office.approver.get(review(approval, "preview") + "?row=1").status_code == 404


def test_the_queue_shows_what_waits_and_what_is_worth_a_look(office: HipaaOffice) -> None:
    approval = office.submitted()
    page = text(office.approver.get(reverse("admin:compliance_approval_changelist")))
    assert "November appointments" in page
    assert "0 of 1" in page
    assert "new template" in page
    office.approve(approval)
    assert "November appointments" not in text(office.approver.get(reverse("admin:compliance_approval_changelist")))


def test_what_is_new_since_the_last_approval_is_shown(office: HipaaOffice) -> None:
    office.approve(office.submitted())
    source = office.version.source.replace("your appointment is", "your next appointment is")
    make_version(
        office.template, subject="A message from your clinic", source=source, variables=office.version.variables
    )
    send = office.ready(people=5)
    office.author.post(url(send, "submit"), statements())
    page = text(office.approver.get(review(Approval.objects.get(campaign=send.pk))))
    assert "+2 people" in page
    assert "your next appointment is" in page
    assert "− &lt;html" in page


def test_domains_without_tls_last_time_are_counted(office: HipaaOffice) -> None:
    """§4.3."""
    submission = find_submission(office.ready(people=4))
    assert submission is not None
    assert tls.look_ahead(submission, now=timezone.now()).unknown == 4
    first, second, *_ = Message.objects.order_by("pk")
    Message.objects.filter(pk=first.pk).update(state="sent", sent_at=timezone.now())
    outlook = tls.look_ahead(submission, now=timezone.now())
    assert (outlook.reached, outlook.refused, outlook.total) == (4, 0, 4)
    Message.objects.filter(pk=second.pk).update(error_code="smtp.550-5.7.10", done_at=timezone.now())
    assert tls.look_ahead(submission, now=timezone.now()).refused == 4


# --- Deciding -----------------------------------------------------------------------------------------------------


def test_an_approval_is_for_what_was_on_the_page(office: HipaaOffice) -> None:
    approval = office.submitted()
    assert "not the one on your page" in text(office.approve(approval, seen="0" * 64))
    assert "Not everything has been attested: recipients" in text(office.approve(approval, A6=""))
    assert state(approval) == State.IN_REVIEW
    assert office.approve(approval).status_code == 302
    assert state(approval) == State.APPROVED
    assert Vote.objects.get().approval.attestations.filter(side="approver").count() == 7


def test_without_a_fresh_factor_nobody_submits_approves_or_takes_evidence(office: HipaaOffice) -> None:
    """B10."""
    send = office.ready()
    stale = office.sign_in(Role.COMPLIANCE)
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=True):
        assert stale.post(url(send, "submit"), statements()).status_code in {302, 403}
        assert not Approval.objects.exists()
    approval = submit(office, send)
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=True):
        assert office.approve(approval, stale).status_code in {302, 403}
        assert stale.get(url(send, "evidence")).status_code in {302, 403}
    assert state(approval) == State.IN_REVIEW
    prove(stale)
    assert office.approve(approval, stale).status_code == 302
    assert state(approval) == State.APPROVED


def submit(office: HipaaOffice, send: HipaaSend) -> Approval:
    office.author.post(url(send, "submit"), statements())
    return Approval.objects.get(campaign=send.pk)


def test_what_the_author_overrode_takes_two_who_confirm_it(office: HipaaOffice) -> None:
    """§5.4, quorum of §3.1."""
    source = office.version.source.replace("<p>your", "<p>your prescription,")
    make_version(office.template, subject="A message", source=source, variables=office.version.variables)
    send = office.ready()
    digest = office.author.get(url(send)).content.decode().split('name="digest" value="')[1].split('"')[0]
    office.author.post(url(send, "answer"), {"digest": digest, "reason": "nobody-meant"})
    approval = submit(office, send)
    assert "It means nobody" in text(office.approver.get(review(approval)))
    assert "overrode something" in text(office.approve(approval))
    office.approve(approval, confirmed=digest)
    assert state(approval) == State.IN_REVIEW
    office.approve(approval, office.officer, confirmed=digest)
    assert state(approval) == State.APPROVED


def test_what_the_check_finds_later_in_a_send_that_waits_is_shown(office: HipaaOffice) -> None:
    """§5.4: newer rules void nothing and pass nothing in silence; here it is the name that is another."""
    approval = office.submitted()
    assert "no obvious identifiers found" in text(office.approver.get(review(approval)))
    HipaaSend.objects.filter(pk=approval.campaign_id).update(name="Oncology")
    page = text(office.approver.get(review(approval)))
    assert "Found since it was submitted" in page
    assert "no obvious identifiers found" not in page


def test_a_rejected_send_goes_back_with_a_reason_that_names_nobody(office: HipaaOffice) -> None:
    approval = office.submitted()
    client = office.approver
    client.post(review(approval, "reject"), {"reason": "content", "note": "Not for oncology patients"})
    assert state(approval) == State.IN_REVIEW
    client.post(review(approval, "reject"), {"reason": "content", "note": "Please shorten it"})
    assert state(approval) == State.REJECTED
    send = HipaaSend.objects.get()
    page = text(office.author.get(url(send)))
    assert "Rejected" in page
    assert "Submit for approval" in page


def test_a_send_in_review_is_not_changed_until_it_is_taken_back(office: HipaaOffice) -> None:
    approval = office.submitted()
    send = HipaaSend.objects.get()
    answer = office.upload(send, sheet(2))
    assert "has been submitted" in text(answer)
    assert Message.objects.count() == 3
    assert "Nothing is sent until you submit it again" in text(office.author.get(url(send, "withdraw")))
    office.author.post(url(send, "withdraw"))
    assert state(approval) == State.VOIDED
    assert office.upload(send, sheet(2)).status_code == 302


# The rows of docs/hipaa.md, as far as they are buttons.
MAY = {
    Role.AUTHOR: {"submit", "withdraw", "stop"},
    Role.APPROVER: {"approve", "stop"},
    Role.COMPLIANCE: {"submit", "withdraw", "approve", "stop", "lift"},
    Role.OPERATOR: {"stop"},
    Role.AUDITOR: set[str](),
    Role.VIEWER: set[str](),
    None: {"stop"},
}


@pytest.mark.parametrize("role", MAY)
def test_each_role_does_on_the_screens_what_the_table_says(office: HipaaOffice, role: Role | None) -> None:
    """B1; None is a superuser."""

    def somebody() -> Client:
        return office.sign_in(role) if role else office.sign_in(user=make_user(is_superuser=True))

    done: set[str] = set()
    send = office.ready()
    if somebody().post(url(send, "submit"), statements()).status_code == 302 and Approval.objects.exists():
        done.add("submit")
    approval = Approval.objects.first() or submit(office, send)
    somebody().post(url(send, "withdraw"))
    if state(approval) == State.VOIDED:
        done.add("withdraw")
        office.author.post(url(send, "submit"), statements())
    approval = Approval.objects.get(state=State.IN_REVIEW)
    office.approve(approval, somebody())
    done |= {"approve"} if Vote.objects.exists() else set()
    slug = office.clinic.account.slug
    somebody().post(reverse("admin:compliance_stop_add"), {"account": slug, "reason": "test"})
    if Stop.objects.exists():
        done.add("stop")
    else:
        office.author.post(reverse("admin:compliance_stop_add"), {"account": slug, "reason": "test"})
    somebody().post(reverse("admin:compliance_stop_lift", args=[Stop.objects.get().pk]))
    done |= {"lift"} if Stop.objects.get().lifted_at else set()
    assert done == MAY[role]


def test_nobody_approves_their_own_send_and_no_stranger_sees_it(office: HipaaOffice) -> None:
    approval = office.submitted()
    office.clinic.account.memberships.create(user_id=office.clinic.author.id, role=Role.APPROVER)
    assert office.approve(approval, office.author).status_code == 403
    assert "Nobody approves what they submitted" in text(office.author.get(review(approval)))
    stranger = office.sign_in(user=make_user(make_account(baa_status=BaaStatus.ACTIVE), role=Role.APPROVER))
    assert stranger.get(review(approval)).status_code == 404
    assert office.approve(approval, stranger).status_code == 404
    assert stranger.get(review(approval, "preview")).status_code == 404


def test_whoever_wrote_the_template_does_not_approve_what_is_made_of_it(office: HipaaOffice) -> None:
    """Four eyes by contribution, §3.1."""
    writer = User.objects.get(pk=office.clinic.approver.id)
    draft = replace(draft_of(office.version), subject="A message from all of us")
    create_version(office.template, draft=draft, author=writer)
    approval = office.submitted()
    assert "You had a hand in this send" in text(office.approver.get(review(approval)))
    assert office.approve(approval).status_code == 403
    office.approve(approval, office.officer)
    assert state(approval) == State.APPROVED


# --- Leaving ------------------------------------------------------------------------------------------------------


def test_an_approved_send_starts_when_its_time_has_come(office: HipaaOffice) -> None:
    later = timezone.now() + timedelta(hours=3)
    approval = office.submitted(not_before=f"{later:%Y-%m-%dT%H:%M}")
    office.approve(approval)
    assert starting.start_due(now=timezone.now()) == 0
    with time_machine.travel(later + timedelta(minutes=1), tick=False):
        assert starting.start_due(now=timezone.now()) == 1
        dispatch_slice(Submission.objects.get().pk)
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.SENT}
    assert starting.finish_done(now=timezone.now()) == 1
    assert state(approval) == State.SENT


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE campaigns_templateversion SET source = 'something else'",
        "UPDATE campaigns_sendterms SET legal_basis = 'payment'",
        "UPDATE campaigns_account SET postal_address = 'elsewhere'",
        "UPDATE campaigns_message SET address_key = 'x' WHERE id = (SELECT min(id) FROM campaigns_message)",
        "DELETE FROM campaigns_message WHERE id = (SELECT min(id) FROM campaigns_message)",
    ],
)
def test_whatever_is_changed_behind_the_screens_after_the_approval_starts_nothing(
    office: HipaaOffice, change: str
) -> None:
    """§3.1, D2."""
    approval = office.submitted()
    office.approve(approval)
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert starting.start_due(now=timezone.now()) == 0
    assert (state(approval), Approval.objects.get().ended_because) == (State.VOIDED, "integrity")
    assert "changed since the approval" in Campaign.objects.get().stopped_because
    assert not Submission.objects.filter(state="open").exists()


def test_the_stop_holds_what_is_on_its_way_and_lifting_it_lets_it_go_at_once(
    office: HipaaOffice, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    """B25: the button says what will happen, and the officer alone lifts it."""
    approval = office.submitted()
    office.approve(approval)
    starting.start_send(Approval.objects.get(), now=timezone.now())
    page = text(office.author.get(reverse("admin:compliance_stop_add")))
    assert "3 messages wait now" in page
    office.author.post(
        reverse("admin:compliance_stop_add"), {"reason": "wrong-content", "account": office.clinic.account.slug}
    )
    assert state(approval) == State.STOPPED
    dispatch_slice(Submission.objects.get().pk)
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.QUEUED}
    with django_capture_on_commit_callbacks(execute=True):
        office.officer.post(reverse("admin:compliance_stop_lift", args=[Stop.objects.get().pk]))
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.SENT}
    assert state(approval) == State.SENDING


def test_a_send_that_stopped_by_itself_goes_on_as_it_was_approved(office: HipaaOffice) -> None:
    office.approve(office.submitted())
    starting.start_send(Approval.objects.get(), now=timezone.now())
    control.stop_submission(Submission.objects.get(), because="Too much of it came back.")
    send = HipaaSend.objects.get()
    assert "Too much of it came back" in text(office.author.get(url(send)))
    office.author.post(url(send, "resume"))
    assert Submission.objects.get().state == "planning"
    tasks.plan_submission(Submission.objects.get().pk)
    dispatch_slice(Submission.objects.get().pk)
    assert list(Message.objects.values_list("state", flat=True)) == ["sent"] * 3


def test_the_rest_of_a_send_can_be_cancelled_for_good(office: HipaaOffice) -> None:
    office.approve(office.submitted())
    starting.start_send(Approval.objects.get(), now=timezone.now())
    send = HipaaSend.objects.get()
    assert "will never leave" in text(office.author.get(url(send, "cancel")))
    office.author.post(url(send, "cancel"))
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.CANCELLED}
    assert Approval.objects.get().ended_because == "withdrawn"
    assert retention.shred_ended(now=timezone.now()) == 1
    assert not Message.objects.filter(placeholders_sealed__isnull=False).exists()


def start_marketing(office: HipaaOffice, *, paid: str = "yes") -> list[str]:
    """Marketing that everybody signed for has begun, or something else they signed for; the blind indexes of its recipients."""
    send = office.ready(legal_basis="authorization", paid=paid)
    clinic, now = office.clinic, timezone.now()
    keys = list(Message.objects.order_by("pk").values_list("address_key", flat=True))
    purpose = "marketing" if paid == "yes" else "other"
    signed = [Signed(key, "F-1", now.date(), is_paid=True, purpose=purpose) for key in keys]
    authorizations.record(clinic.account.pk, signed, owner=clinic.owner, by=clinic.author, now=now)
    office.author.post(url(send, "submit"), statements(**{"A2-authorization": "on-file"}))
    approval, on_file = Approval.objects.get(), {"A2-authorization": "on-file"}
    office.approve(approval, office.approver, **on_file)
    office.approve(approval, office.officer, **on_file)
    starting.start_send(Approval.objects.get(), now=now)
    return keys


@pytest.mark.parametrize("paid", ["yes", "no"])
def test_an_authorization_revoked_on_the_way_stops_that_mail(office: HipaaOffice, paid: str) -> None:
    """S34, B19, B20, B21: asked for each recipient as it would leave, of marketing and of all that stands on authorizations."""
    keys, clinic, now = start_marketing(office, paid=paid), office.clinic, timezone.now()
    authorizations.revoke(clinic.account.pk, address_key=keys[1], owner=clinic.owner, by=clinic.officer, now=now)
    dispatch_slice(Submission.objects.get().pk)
    assert list(Message.objects.order_by("pk").values_list("state", "error_code")) == [
        ("sent", ""), ("refused", "recipient.not-authorized"), ("sent", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "scope", "code", "words"),
    [
        ("revoked-auth", "marketing", "recipient.authorization-revoked", "Revoked their authorization"),
        ("restriction", "everything", "recipient.restriction", "Asked that their information is not sent"),
        ("no-email", "everything", "recipient.no-email", "Asked to be reached another way"),
    ],
)
def test_a_wish_recorded_after_the_approval_stops_that_mail_and_is_counted(
    office: HipaaOffice, reason: str, scope: str, code: str, words: str
) -> None:
    """B21: recorded by the officer, with where it is on file, between the start and the hand-over."""
    start_marketing(office)
    add = reverse("admin:campaigns_suppression_add")
    given = {"address": "Pat1name@example.org", "scope": scope, "reason": reason, "note": "Request R-7"}
    assert office.author.post(add, given).status_code == 403
    for lacking in ({"note": ""}, {"scope": "list"}):
        assert office.officer.post(add, given | lacking).status_code == 200
    assert office.officer.post(add, given).status_code == 302
    send = HipaaSend.objects.get()
    dispatch_slice(Submission.objects.get().pk)
    assert list(Message.objects.order_by("pk").values_list("state", "error_code")) == [
        ("sent", ""), ("refused", code), ("sent", ""),
    ]  # fmt: skip
    assert words in text(office.author.get(url(send)))
    assert AuditEvent.objects.get(action="suppression.added").data == {"reason": reason}


def test_a_revocation_counts_for_what_is_recorded_later_until_a_new_signature(office: HipaaOffice) -> None:
    """164.508(b)(5): a file of older signatures does not undo it, and whom it leaves out is counted before the approval."""
    add, revoke = reverse("admin:compliance_authorization_add"), reverse("admin:compliance_authorization_revoke")
    key = tokens.address_key(parse("pat1name@example.org"), account=office.clinic.account.public_id)
    suppression.suppress(office.clinic.account, address_key=key, scope="marketing", reason="unsubscribed")
    assert office.author.post(revoke, {"address": "pat1name@example.org"}).status_code == 302
    today = timezone.now().date()

    def record(reference: str, signed_on: date) -> None:
        rows = f"Email,Reference,Signed on,Expires on,Paid\npat1name@example.org,{reference},{signed_on},,yes\n"
        assert office.author.post(add, {"file": upload(rows.encode())}).status_code == 302

    record("F-1", today - timedelta(days=3))
    page = text(office.author.get(url(office.ready(legal_basis="authorization", paid="yes"))))
    assert "revoked their authorization: 1; unsubscribed: 1." in page
    Suppression.objects.update(created_at=timezone.now() - timedelta(days=2))
    record("F-2", today - timedelta(days=1))
    # To have unsubscribed is another matter, which only they take back.
    assert list(Suppression.objects.values_list("reason", flat=True)) == ["unsubscribed"]


# --- All of it ----------------------------------------------------------------------------------------------------


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A mail server on loopback with STARTTLS and a certificate that is as it should be."""
    authority = Authority(tmp_path, monkeypatch)
    with RawServer(polite, b"STARTTLS", b"PIPELINING", context=authority.server()) as running:
        yield running


def test_marketing_under_hipaa_has_a_way_out_that_names_nobody(office: HipaaOffice, relay: RawServer) -> None:
    """S24, RFC 8058: one click is enough, and is remembered by blind index."""
    office.clinic.aim(relay.port)
    keys = start_marketing(office)
    dispatch_slice(Submission.objects.get().pk)
    rcpt, raw = relay.mails[0]
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = next(part for part in mail["List-Unsubscribe"].split(",") if "http" in part).strip(" <>")
    assert link in mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert not [word for word in ("pat", "example.org", "appointment") if word in urlsplit(link).path.lower()]
    answer = Client().post(urlsplit(link).path, {"List-Unsubscribe": "One-Click"})
    left = Suppression.objects.get()
    assert (answer.status_code, left.address_key in keys) == (200, True)
    assert rcpt.decode().partition("<")[2][:-1] not in str(vars(left))


def test_480_people_from_the_file_to_the_shredded_key(
    office: HipaaOffice, relay: RawServer, tmp_path: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    """The walk of docs/hipaa-walk.md: one submits, another approves, 480 leave over verified TLS, evidence, shredding."""
    office.clinic.aim(relay.port)
    approval = office.submitted(people=480)
    assert "480 of 480 leave by a way that is encrypted" in text(office.approver.get(review(approval)))
    with django_capture_on_commit_callbacks(execute=True):
        assert office.approve(approval).status_code == 302
    assert len(relay.mails) == 20
    with django_capture_on_commit_callbacks(execute=True):
        office.author.post(url(HipaaSend.objects.get(), "release"))
    assert len(relay.mails) == 480
    rcpt, raw = relay.mails[0]
    number = rcpt.decode().removeprefix("RCPT TO:<pat").removesuffix("name@example.org>")
    mail = message_from_bytes(raw, policy=policy.default)
    assert f"Dear Pat{number}name" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert mail["Subject"] == "A message from your clinic"
    assert set(Message.objects.values_list("state", "recipient")) == {("sent", "")}
    assert set(Disclosure.objects.values_list("legal_basis", "tls_version")) == {("treatment", "TLSv1.3")}
    assert Disclosure.objects.first().categories == ["date", "name"]  # type: ignore[union-attr]
    tasks.sweep()
    assert state(approval) == State.SENT

    send = HipaaSend.objects.get()
    page = text(office.author.get(url(send)))
    assert "480 of 480 done" in page
    assert "pat●●●●@ex●●●●.org" in text(office.author.get(url(send, "messages")))

    sealed = bytes(Message.objects.first().placeholders_sealed or b"")  # type: ignore[union-attr]
    with time_machine.travel(timezone.now() + timedelta(hours=73), tick=True):
        assert retention.shred_ended(now=timezone.now()) == 1
        with pytest.raises(vault.SealBroken):
            vault.unseal(sealed)
        assert "shredded" in text(office.browser_of(office.clinic.author.id).get(url(send, "messages")))
        answer: Any = office.sign_in(Role.AUDITOR).get(url(send, "evidence"))
    raw_zip = b"".join(answer.streaming_content)
    assert b"example.org" not in raw_zip
    with zipfile.ZipFile(io.BytesIO(raw_zip)) as packed:
        assert packed.read("messages.jsonl").count(b'"TLSv1.3"') == 480
        packed.extractall(tmp_path / "evidence")
    verdict = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "evidence" / "verify.py")],
        capture_output=True, text=True, check=False, env={}, cwd=tmp_path,
    )  # fmt: skip
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert AuditEvent.objects.filter(action="evidence.exported").count() == 1
