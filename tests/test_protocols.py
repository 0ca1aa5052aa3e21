"""Protocols of routine sends: approved in full once, then by one for each that is the same (hipaa.md B18)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from campaigns.accounts.leaving import deactivate
from campaigns.models import BaaStatus, HipaaSend, Role, Submission
from campaigns.planning.hipaa import starting
from compliance.approvals import ending, protocols
from compliance.approvals.contributions import note_contribution
from compliance.approvals.policy import set_policy
from compliance.approvals.quorum import MANY, Person
from compliance.approvals.starting import start
from compliance.approvals.states import State
from compliance.audit import SYSTEM
from compliance.audit.verify import verify
from compliance.manifest import Recipients
from compliance.models import Approval, AuditEvent, SendProtocol
from tests.approvals import NOW, Scene, add_message, make_person, make_scene
from tests.factories import make_account, make_campaign, make_sender, make_user, make_version
from tests.hipaa import attest
from tests.hipaa_office import VARIABLES, HipaaOffice, review, statements, url
from tests.test_approvals import refusal

pytestmark = pytest.mark.django_db
DAYS = 30
OVER = NOW + timedelta(days=DAYS)
SAME = {"template": {"id": "t1", "version": 1, "variables": []}}


def ask_for(count: int, scene: Any, *, now: datetime = NOW) -> None:
    account = scene.account
    set_policy(
        account.pk, owner=str(account.public_id), approvals=count, valid_days=30, allows_importers=False, actor=SYSTEM,
        now=now,
    )  # fmt: skip


@pytest.fixture
def scene() -> Scene:
    made = make_scene()
    ask_for(2, made)
    return made


def submit(scene: Scene, *, now: datetime = NOW, **changes: Any) -> Approval:
    return scene.submit(now=now, parts=scene.parts(**SAME), **changes)


def approved_in_full(scene: Scene, **changes: Any) -> Approval:
    approval = submit(scene, **changes)
    assert not scene.approve(approval)
    assert scene.approve(approval, by=scene.officer)
    return approval


def make(approval: Approval, by: Person) -> SendProtocol:
    return protocols.make_protocol(approval, days=DAYS, by=by, now=NOW)


def another(scene: Scene, *, messages: int = 3) -> Scene:
    """The next send, to other people."""
    campaign = make_campaign(scene.account, kind="hipaa")
    submission = Submission.objects.get(pk=scene.submission.pk)
    submission.pk, submission.public_id, submission.campaign = None, uuid4(), campaign
    submission.save()
    following = replace(scene, campaign=campaign, submission=submission)
    for number in range(messages):
        add_message(following, number + 10)
    return following


# --- On the screens -----------------------------------------------------------------------------------------------


def office_with_a_protocol() -> tuple[HipaaOffice, Approval]:
    office = HipaaOffice()
    ask_for(2, office.clinic, now=timezone.now())
    approval = office.submitted()
    page = review(approval, "routine")
    # One of two is no full approval.
    office.approve(approval)
    office.officer.post(page, {"days": "90"})
    assert not SendProtocol.objects.exists()
    office.approve(approval, office.officer)
    assert office.officer.get(page).status_code == 200
    assert office.officer.post(page, {"days": "90"}).status_code == 302
    assert SendProtocol.objects.get().made_by_id == office.clinic.officer.id
    return office, approval


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_a_send_like_one_approved_in_full_starts_with_one_approval_and_says_so() -> None:
    office, full = office_with_a_protocol()
    run = office.submitted(name="December appointments", people=2)
    assert run.needed == 1
    page = text(office.approver.get(review(run)))
    assert "runs under a protocol: one approval is enough" in page
    assert "to at most 3 people that are like “November appointments”" in page
    # Four eyes hold: not by its author, whatever their role.
    office.clinic.account.memberships.create(user_id=office.clinic.author.id, role=Role.APPROVER)
    assert office.approve(run, office.author).status_code == 403
    office.approve(run)
    run.refresh_from_db()
    assert (run.state, run.manifest["protocol"]) == (State.APPROVED, str(SendProtocol.objects.get().public_id))
    assert starting.start_send(run, now=timezone.now())
    assert "Sends like this one are routine until" in text(office.approver.get(review(full)))
    assert verify().is_sound


def test_another_variable_sender_purpose_or_more_people_take_all_approvals() -> None:
    office, _ = office_with_a_protocol()
    other = make_sender(office.clinic.account, email="front-desk@news.example.org")
    attest(office.clinic, other.email)
    needed = {
        "the same": office.submitted().needed,
        "more people": office.submitted(people=4).needed,
        "another sender": office.submitted(sender=other.pk).needed,
        "another basis": submit_for_payment(office).needed,
    }
    variables = [*VARIABLES, {"name": "ward", "label": "", "sample": "West", "default": None}]
    source = office.version.source.replace("{{ visit }}", "{{ visit }}, ward {{ ward }}")
    make_version(office.template, subject=office.version.subject, source=source, variables=variables)
    needed["another variable"] = submit_with_ward(office).needed
    assert needed == {name: 1 if name == "the same" else 2 for name in needed}


def submit_for_payment(office: HipaaOffice) -> Approval:
    send = office.ready(legal_basis="payment")
    given = statements(**{"A2-authorization": "not-required-payment"})
    office.author.post(url(send, "submit"), given)
    return Approval.objects.get(campaign=send.pk)


def submit_with_ward(office: HipaaOffice) -> Approval:
    send = office.draft()
    office.author.post(url(send, "values"), {
        f"{name}-{part}": value
        for name in ("first_name", "visit", "ward")
        for part, value in {"kind": "text", "phi": "on", "purpose": "to find the way"}.items()
    })  # fmt: skip
    office.upload(send, b"Email,First name,Visit,Ward\r\nann@example.org,Ann,3 March 2027,West")
    office.author.post(url(send, "confirm"))
    office.author.post(url(send, "submit"), statements())
    return Approval.objects.get(campaign=send.pk)


def test_an_approver_ends_it_on_its_page_and_nobody_else() -> None:
    office, _ = office_with_a_protocol()
    run = office.submitted()
    protocol = SendProtocol.objects.get()
    page, end = (
        reverse(f"admin:compliance_sendprotocol_{view}", args=[protocol.public_id]) for view in ("change", "end")
    )
    stranger = office.sign_in(user=make_user(make_account(baa_status=BaaStatus.ACTIVE), role=Role.COMPLIANCE))
    assert [stranger.get(page).status_code, stranger.post(end).status_code] == [404, 404]
    assert [office.author.get(page).status_code, office.author.post(end).status_code] == [200, 403]
    assert "End it" not in text(office.author.get(page))
    assert "must be submitted anew: 1" in text(office.approver.get(page))
    assert office.approver.post(end).status_code == 302
    listed = text(office.approver.get(reverse("admin:compliance_sendprotocol_changelist")))
    assert "November appointments" in listed
    assert "Ended" in listed
    run.refresh_from_db()
    assert (run.state, run.ended_because) == (State.VOIDED, "protocol-ended")
    office.author.post(url(HipaaSend.objects.get(pk=run.campaign_id), "submit"), statements())
    assert Approval.objects.get(campaign=run.campaign_id, state=State.IN_REVIEW).needed == 2


# --- What makes one -----------------------------------------------------------------------------------------------


def test_only_what_all_have_approved_becomes_routine_by_somebody_who_had_no_hand_in_it(scene: Scene) -> None:
    approval = submit(scene)
    scene.approve(approval)
    assert refusal(lambda: make(approval, scene.officer)) == "protocol.not-approved"
    # A state that somebody wrote into the table is no approval.
    Approval.objects.update(state=State.APPROVED)
    assert refusal(lambda: make(approval, scene.officer)) == "protocol.not-approved"
    Approval.objects.update(state=State.IN_REVIEW)
    scene.approve(approval, by=scene.officer)
    author = replace(scene.author, roles=frozenset({"author", "approver"}))
    assert refusal(lambda: make(approval, author)) == "approval.own-send"
    editor = make_person(scene.account, "approver")
    note_contribution(("campaign", str(scene.campaign.public_id)), person_id=editor.id, part="content", now=NOW)
    assert refusal(lambda: make(approval, editor)) == "approval.contributor"
    make(approval, scene.officer)
    assert refusal(lambda: make(approval, scene.approver)) == "protocol.standing"
    run = another(scene)
    assert run.approve(later := submit(run))
    assert refusal(lambda: make(later, scene.officer)) == "protocol.no-use"


def test_where_more_is_at_stake_nothing_is_routine(scene: Scene) -> None:
    many = approved_in_full(scene, recipients=Recipients(MANY + 1, "00" * 32))
    assert refusal(lambda: make(many, scene.officer)) == "protocol.no-use"
    # Nor by a protocol that is there: more than one is needed for so many, whatever it says.
    following = another(scene)
    make(approved_in_full(following), scene.officer)
    ending.void(many, because="edited", actor=SYSTEM, now=NOW)
    assert submit(scene, recipients=Recipients(MANY + 1, "00" * 32)).needed == 2


def test_a_protocol_changed_by_hand_lets_nothing_through(scene: Scene) -> None:
    make(approved_in_full(scene), scene.officer)
    SendProtocol.objects.update(most_recipients=1_000)
    assert submit(another(scene)).needed == 2


# --- What ends one ------------------------------------------------------------------------------------------------

ENDS: dict[str, Callable[[Scene, SendProtocol], Any]] = {
    "ended": lambda scene, protocol: protocols.end_protocol(protocol, by=scene.officer, now=NOW),
    "time": lambda _, __: ending.expire_due(now=OVER),
    "policy-changed": lambda scene, _: ask_for(2, scene),
    "edited": lambda _, protocol: ending.void(protocol.approval, because="edited", actor=SYSTEM, now=NOW),
    "person-deactivated": lambda scene, _: deactivate(
        User.objects.get(pk=scene.approver.id), by=User.objects.get(pk=scene.officer.id), now=NOW
    ),
}


@pytest.mark.parametrize("because", ENDS)
def test_when_a_protocol_ends_what_waits_under_it_is_void_and_all_approvals_are_needed(
    scene: Scene, because: str
) -> None:
    protocol = make(approved_in_full(scene), scene.officer)
    begun, waiting = another(scene), another(scene)
    running = submit(begun)
    assert begun.approve(running)
    start(running, parts=begun.parts(**SAME), leaves=begun.leaves(), now=NOW)
    run = submit(waiting)
    ENDS[because](scene, protocol)
    for row in (protocol, run, running):
        row.refresh_from_db()
    assert protocol.ended_because == because
    assert run.state in {State.VOIDED, State.EXPIRED}
    # What is leaving was approved while it stood; only another policy ends that, too.
    assert (running.state == State.SENDING) is (because != "policy-changed")
    assert submit(waiting, now=OVER).needed == 2
    assert AuditEvent.objects.filter(action="protocol.ended", data__because=because).count() == 1


def test_a_run_is_neither_approved_nor_begun_once_its_time_is_over(scene: Scene) -> None:
    """Also before anybody looked at what is over."""
    make(approved_in_full(scene), scene.officer)
    late, early = another(scene), another(scene)
    last = OVER - timedelta(hours=1)
    run, ready = submit(late, now=last), submit(early, now=last)
    assert early.approve(ready, now=last)
    assert refusal(lambda: late.approve(run, now=OVER)) == "approval.protocol-over"
    begin: Callable[[], Any] = lambda: start(ready, parts=early.parts(**SAME), leaves=early.leaves(), now=OVER)  # noqa: E731
    assert refusal(begin) == "approval.not-now"
    assert submit(another(scene), now=OVER).needed == 2
