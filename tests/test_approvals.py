"""Approvals: others than its makers, exactly what was seen, for a time; and whatever changes afterwards sends nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from campaigns.errors import CampaignError
from campaigns.models import Campaign, Message
from compliance.approvals import ending, starting, stopping, voting
from compliance.approvals.contributions import note_contribution
from compliance.approvals.policy import set_policy
from compliance.approvals.quorum import NotAllowed, Person
from compliance.approvals.starting import IntegrityFailed, approved_messages, check_parts, start
from compliance.approvals.states import State
from compliance.approvals.submitting import Hit, submit
from compliance.audit.verify import verify
from compliance.models import Approval, ApprovalPolicy, Attestation, AuditEvent, MessageProof, Stop, Vote
from tests.approvals import ATTESTED, NOW, OFFICER, Scene, add_message, make_person, make_scene
from tests.factories import make_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return make_scene()


def refusal(call: Callable[[], Any]) -> str:
    """The code of the refusal, or ''."""
    try:
        with transaction.atomic():
            call()
    except CampaignError as error:
        return error.code if error.action else "no action"
    return ""


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


# --- Submitting ---------------------------------------------------------------------------------------------------


def test_a_send_goes_from_its_author_through_another_person_to_its_start(scene: Scene) -> None:
    approval = scene.submit()
    assert (approval.state, approval.revision, approval.needed, approval.recipients) == (State.IN_REVIEW, 1, 1, 3)
    assert scene.approve(approval)
    assert (approval.state, approval.expires_at) == (State.APPROVED, NOW + timedelta(days=7))
    start(approval, parts=scene.parts(), leaves=scene.leaves(), now=NOW)
    assert approval.state == State.SENDING
    assert approved_messages(approval, scene.leaves()) == {pk for pk, _ in scene.leaves()}
    assert ending.finish(approval, now=NOW)
    assert not ending.finish(approval, now=NOW)
    assert actions() == [
        "policy.changed", "approval.submitted", "approval.approved", "approval.started", "approval.finished",
    ]  # fmt: skip
    assert verify().is_sound


def test_both_sides_state_everything_and_it_is_kept_with_its_text(scene: Scene) -> None:
    scene.approved()
    kept = Attestation.objects.values_list("side", "code", "network")
    assert sorted(kept) == sorted(
        [("author", code, "192.0.2.0/24") for code in ATTESTED] + [("approver", code, "") for code in ATTESTED]
    )
    assert Attestation.objects.filter(code="A1").first().answers == {"basis": "treatment"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"attested": {}}, "approval.attestation-missing"),
        (
            {"attested": {code: answers for code, answers in ATTESTED.items() if code != "A6"}},
            "approval.attestation-missing",
        ),
        ({"legal_basis": "payment"}, "approval.attestation-missing"),
        ({"unused_variables": ["phone"]}, "approval.minimum-necessary"),
        ({"hits": [Hit("ssn", "html:4", blocks=True, digest="d")]}, "approval.scanner-blocked"),
        ({"hits": [Hit("condition", "html:4", blocks=False, digest="d")]}, "approval.scanner-unanswered"),
        ({"not_before": NOW + timedelta(days=38)}, "approval.too-late"),
    ],
)
def test_what_is_not_in_order_cannot_be_submitted(scene: Scene, changes: dict[str, Any], code: str) -> None:
    assert refusal(lambda: scene.submit(**changes)) == code
    assert not Approval.objects.exists()


def test_without_a_policy_nothing_can_be_submitted(scene: Scene) -> None:
    ApprovalPolicy.objects.all().delete()
    assert refusal(scene.submit) == "approval.no-policy"


def test_nobody_to_send_to_cannot_be_submitted() -> None:
    assert refusal(make_scene(messages=0).submit) == "approval.no-recipients"


@pytest.mark.parametrize("role", ["approver", "operator", "auditor", "viewer"])
def test_only_authors_and_the_officer_submit(scene: Scene, role: str) -> None:
    scene.author = replace(scene.author, roles=frozenset({role}))
    assert refusal(scene.submit) == "approval.role-missing"


def test_a_send_is_submitted_once_until_it_is_taken_back(scene: Scene) -> None:
    approval = scene.submit()
    assert refusal(scene.submit) == "approval.already-submitted"
    assert ending.withdraw(approval, by=scene.author, now=NOW)
    assert scene.submit().revision == 2
    stranger = replace(scene.approver, roles=frozenset({"viewer"}))
    assert refusal(lambda: ending.withdraw(approval, by=stranger, now=NOW)) == "approval.role-missing"


# --- Approving ----------------------------------------------------------------------------------------------------


def test_nobody_approves_what_they_submitted_in_any_role(scene: Scene) -> None:
    approval = scene.submit()
    author = replace(scene.author, roles=frozenset({"author", "approver", "compliance"}))
    assert refusal(lambda: scene.approve(approval, by=author)) == "approval.own-send"
    with pytest.raises(IntegrityError), transaction.atomic():
        Vote.objects.create(
            approval=approval, voter_id=author.id, submitted_by_id=author.id, verdict="approve", factor_age=1, at=NOW
        )


@pytest.mark.parametrize("thing", ["campaign", "template"])
def test_nobody_approves_what_they_edited(scene: Scene, thing: str) -> None:
    public_id = str(scene.campaign.public_id) if thing == "campaign" else "t1"
    note_contribution((thing, public_id), person_id=scene.approver.id, part="template", now=NOW - timedelta(days=400))
    approval = scene.submit(things=[("template", "t1")])
    assert refusal(lambda: scene.approve(approval)) == "approval.contributor"
    assert scene.approve(approval, by=scene.officer)


def test_hands_from_before_the_last_approval_do_not_count_any_more(scene: Scene) -> None:
    thing = ("campaign", str(scene.campaign.public_id))
    note_contribution(thing, person_id=scene.officer.id, part="schedule", now=NOW - timedelta(days=1))
    approval = scene.approved()
    ending.void(approval, because="edited", actor=OFFICER, now=NOW)
    again = scene.submit(now=NOW + timedelta(hours=1))
    assert scene.approve(again, by=scene.officer, now=NOW + timedelta(hours=2))


def test_somebody_who_tries_what_they_may_not_is_in_the_audit_trail(scene: Scene) -> None:
    approval = scene.submit()
    stale = replace(scene.approver, factor_age=timedelta(hours=1))
    with pytest.raises(NotAllowed):
        scene.approve(approval, by=stale)
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.actor_id, event.data) == (
        "approval.refused", str(stale.id), {"code": "approval.factor-stale"},
    )  # fmt: skip
    assert not Vote.objects.exists()


def test_the_approver_approves_the_manifest_they_saw(scene: Scene) -> None:
    approval = scene.submit()
    assert refusal(lambda: scene.approve(approval, seen="0" * 64)) == "approval.changed"
    Approval.objects.update(manifest={**approval.manifest, "from": "other"})
    assert refusal(lambda: scene.approve(approval)) == "approval.changed"


def test_the_approver_states_everything_themselves(scene: Scene) -> None:
    approval = scene.submit()
    assert refusal(lambda: scene.approve(approval, attested={})) == "approval.attestation-missing"


def test_an_override_takes_a_second_approver_and_each_confirms_it(scene: Scene) -> None:
    hit = Hit("condition", "html:4", blocks=False, digest="d1", overridden_by=scene.author.id)
    approval = scene.submit(hits=[hit])
    assert approval.needed == 2
    assert refusal(lambda: scene.approve(approval)) == "approval.override-unconfirmed"
    assert not scene.approve(approval, confirmed=["d1"])
    assert refusal(lambda: scene.approve(approval, confirmed=["d1"])) == "approval.already-voted"
    assert approval.state == State.IN_REVIEW
    assert scene.approve(approval, by=scene.officer, confirmed=["d1"])


def test_a_date_beyond_the_time_of_an_approval_is_refused_when_approving(scene: Scene) -> None:
    approval = scene.submit(not_before=NOW + timedelta(days=8))
    assert refusal(lambda: scene.approve(approval)) == "approval.too-late"
    assert scene.approve(approval, now=NOW + timedelta(days=2))


def test_a_small_organisation_may_let_its_importer_approve_beside_another(scene: Scene) -> None:
    thing = ("campaign", str(scene.campaign.public_id))
    note_contribution(thing, person_id=scene.approver.id, part="recipients", now=NOW)
    set_policy(
        scene.account.pk, owner=scene.owner, approvals=1, valid_days=7, allows_importers=True, actor=OFFICER, now=NOW
    )
    approval = scene.submit()
    assert not scene.approve(approval)
    assert scene.approve(approval, by=scene.officer)


def test_a_rejected_send_goes_back_with_its_reason(scene: Scene) -> None:
    approval = scene.submit()
    assert refusal(lambda: voting.reject(approval, by=scene.approver, reason="dislike", now=NOW)) == (
        "approval.reason-unknown"
    )
    assert refusal(lambda: voting.reject(approval, by=scene.approver, reason="other", note="x" * 501, now=NOW)) == (
        "approval.note-too-long"
    )
    voting.reject(approval, by=scene.approver, reason="recipients", note="The list looks wrong.", now=NOW)
    assert (approval.state, approval.ended_because) == (State.REJECTED, "recipients")
    assert refusal(lambda: scene.approve(approval, by=scene.officer)) == "approval.not-now"
    assert scene.submit().revision == 2
    assert AuditEvent.objects.get(action="approval.rejected").data["reason"] == "recipients"
    assert not AuditEvent.objects.filter(data__icontains="looks wrong").exists()


def test_only_votes_we_signed_count(scene: Scene) -> None:
    """Somebody who can write to the table, and only that, cannot approve."""
    approval = scene.submit()
    forged = Vote(
        approval=approval, voter_id=scene.approver.id, submitted_by_id=scene.author.id, verdict="approve", factor_age=1,
        at=NOW, digest=approval.digest, signature="00" * 64,
    )  # fmt: skip
    forged.save()
    Approval.objects.update(state=State.APPROVED, approved_at=NOW, expires_at=NOW + timedelta(days=1))
    approval.refresh_from_db()
    with pytest.raises(IntegrityFailed):
        start(approval, parts=scene.parts(), leaves=scene.leaves(), now=NOW)
    approval.refresh_from_db()
    assert (approval.state, approval.ended_because) == (State.VOIDED, "integrity")


def test_a_vote_cannot_be_moved_to_another_approval(scene: Scene) -> None:
    scene.approved()
    vote = Vote.objects.get()
    assert voting.is_signed(vote)
    other = make_scene().submit()
    vote.approval = other
    assert not voting.is_signed(vote)


# --- Time ---------------------------------------------------------------------------------------------------------


def test_an_approval_expires_and_then_nothing_starts(scene: Scene) -> None:
    approval = scene.approved()
    late = NOW + timedelta(days=7)
    assert refusal(lambda: start(approval, parts=scene.parts(), leaves=scene.leaves(), now=late)) == "approval.not-now"
    assert ending.expire_due(now=late - timedelta(seconds=1)) == 0
    assert ending.expire_due(now=late) == 1
    assert ending.expire_due(now=late) == 0
    approval.refresh_from_db()
    assert (approval.state, approval.ended_because) == (State.EXPIRED, "time")


def test_a_review_that_nobody_made_expires(scene: Scene) -> None:
    approval = scene.submit()
    late = NOW + timedelta(days=30)
    assert refusal(lambda: scene.approve(approval, now=late)) == "approval.not-now"
    assert ending.expire_due(now=late) == 1


def test_nothing_starts_before_its_time(scene: Scene) -> None:
    approval = scene.approved(not_before=NOW + timedelta(days=1))
    assert refusal(lambda: start(approval, parts=scene.parts(), leaves=scene.leaves(), now=NOW)) == "approval.too-early"


# --- What changed after the approval ------------------------------------------------------------------------------


def edit_address(scene: Scene) -> None:
    Message.objects.filter(pk=scene.leaves()[1][0]).update(address_key="k" * 43)


def edit_values(scene: Scene) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE campaigns_message SET placeholders_sealed = %s WHERE id = %s", [b"x", scene.leaves()[0][0]]
        )


def add_person(scene: Scene) -> None:
    add_message(scene, 99)


def remove_person(scene: Scene) -> None:
    Message.objects.filter(pk=scene.leaves()[2][0]).delete()


def edit_content(scene: Scene) -> None:
    Campaign.objects.filter(pk=scene.campaign.pk).update(name="Another")


def edit_attestation(scene: Scene) -> None:
    Attestation.objects.create(
        approval=Approval.objects.get(), person_id=scene.officer.id, side="author", code="A9", text_version=1, at=NOW
    )


def change_policy_by_hand(scene: Scene) -> None:
    ApprovalPolicy.objects.update(version=9)


EDITS = [
    edit_address, edit_values, add_person, remove_person, edit_content, edit_attestation, change_policy_by_hand,
]  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_whatever_is_edited_behind_our_back_after_the_approval_sends_nothing(
    scene: Scene, edit: Callable[[Scene], None]
) -> None:
    approval = scene.approved()
    edit(scene)
    with pytest.raises(IntegrityFailed):
        start(approval, parts=scene.parts(), leaves=scene.leaves(), now=NOW)
    approval.refresh_from_db()
    assert (approval.state, approval.ended_because) == (State.VOIDED, "integrity")
    assert not MessageProof.objects.exists()
    assert actions()[-1] == "approval.voided"


@pytest.mark.parametrize("edit", [edit_address, edit_values])
def test_a_message_edited_while_sending_is_the_only_one_that_stays(scene: Scene, edit: Callable[[Scene], None]) -> None:
    approval = scene.started()
    before = {pk for pk, _ in scene.leaves()}
    edit(scene)
    assert len(before - approved_messages(approval, scene.leaves())) == 1


def test_a_message_added_while_sending_has_no_proof_and_cannot_borrow_one(scene: Scene) -> None:
    approval = scene.started()
    known = {pk for pk, _ in scene.leaves()}
    added = add_message(scene, 99)
    assert approved_messages(approval, scene.leaves()) == known
    borrowed = MessageProof.objects.first()
    assert borrowed is not None
    MessageProof.objects.create(message=added, approval=approval, position=9, leaf=borrowed.leaf, mac=borrowed.mac)
    assert approved_messages(approval, scene.leaves()) == known


def test_a_proof_of_another_approval_proves_nothing(scene: Scene) -> None:
    approval, other = scene.started(), make_scene().started()
    MessageProof.objects.filter(approval=other).update(approval=approval)
    assert approved_messages(approval, scene.leaves()) == {pk for pk, _ in scene.leaves()}
    MessageProof.objects.filter(message__submission=scene.submission).update(approval=other)
    assert approved_messages(other, scene.leaves()) == set()


def test_content_edited_while_sending_is_noticed_by_the_next_slice(scene: Scene) -> None:
    approval = scene.started()
    check_parts(approval, parts=scene.parts())
    edit_content(scene)
    with pytest.raises(IntegrityFailed):
        check_parts(approval, parts=scene.parts())


def test_what_an_approval_rests_on_voids_it_when_it_changes(scene: Scene) -> None:
    other = make_scene()
    mine, theirs = scene.approved(), other.approved()
    assert ending.void_live(account_id=scene.account.pk, because="account-suspended", actor=OFFICER, now=NOW) == 1
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.state, mine.ended_because, theirs.state) == (State.VOIDED, "account-suspended", State.APPROVED)
    assert ending.void_live(account_id=scene.account.pk, because="edited", actor=OFFICER, now=NOW) == 0


def test_a_changed_policy_voids_what_rests_on_it(scene: Scene) -> None:
    approval = scene.approved()
    set_policy(
        scene.account.pk, owner=scene.owner, approvals=2, valid_days=7, allows_importers=False, actor=OFFICER, now=NOW
    )
    approval.refresh_from_db()
    assert (approval.state, approval.ended_because) == (State.VOIDED, "policy-changed")
    with pytest.raises(CampaignError, match="policy-invalid"):
        set_policy(
            scene.account.pk,
            owner=scene.owner,
            approvals=0,
            valid_days=7,
            allows_importers=False,
            actor=OFFICER,
            now=NOW,
        )


def test_somebody_who_was_deactivated_takes_their_approvals_along_until_they_begin(scene: Scene) -> None:
    begun, waiting, foreign = make_scene(), scene.approved(), make_scene().submit()
    started = begun.started()
    for person in (scene.approver, begun.approver):
        ending.void_for_person(person.id, actor=OFFICER, now=NOW)
    for approval in (started, waiting, foreign):
        approval.refresh_from_db()
    assert [started.state, waiting.state, foreign.state] == [State.SENDING, State.VOIDED, State.IN_REVIEW]


# --- The stop -----------------------------------------------------------------------------------------------------


def test_a_stop_of_one_account_stops_it_at_once_and_no_other(scene: Scene) -> None:
    other = make_account()
    approval = scene.started()
    stop = stopping.order_stop(scene.account.pk, owner=scene.owner, by=scene.author, reason="incident", now=NOW)
    approval.refresh_from_db()
    assert approval.state == State.STOPPED
    assert stopping.is_stopped(scene.account.pk)
    assert not stopping.is_stopped(other.pk)
    assert refusal(lambda: stopping.check_not_stopped(scene.account.pk)) == "hipaa.stopped"
    assert stopping.lift_stop(stop, owner=scene.owner, by=scene.officer, now=NOW)
    assert not stopping.lift_stop(stop, owner=scene.owner, by=scene.officer, now=NOW)
    approval.refresh_from_db()
    assert approval.state == State.SENDING
    assert not stopping.is_stopped(scene.account.pk)


def test_a_stop_of_everything_stops_every_account_and_outlives_that_of_one(scene: Scene) -> None:
    approval = scene.started()
    mine = stopping.order_stop(scene.account.pk, owner=scene.owner, by=scene.author, reason="test", now=NOW)
    everything = stopping.order_stop(
        None, owner="", by=replace(scene.author, is_superuser=True), reason="test", now=NOW
    )
    stopping.lift_stop(mine, owner=scene.owner, by=scene.officer, now=NOW)
    approval.refresh_from_db()
    assert stopping.is_stopped(make_account().pk)
    assert approval.state == State.STOPPED
    stopping.lift_stop(everything, owner="", by=scene.officer, now=NOW)
    approval.refresh_from_db()
    assert approval.state == State.SENDING


def test_nothing_starts_while_a_stop_stands(scene: Scene) -> None:
    approval = scene.approved()
    stopping.order_stop(scene.account.pk, owner=scene.owner, by=scene.author, reason="test", now=NOW)
    assert refusal(lambda: start(approval, parts=scene.parts(), leaves=scene.leaves(), now=NOW)) == "hipaa.stopped"
    approval.refresh_from_db()
    assert approval.state == State.APPROVED


@pytest.mark.parametrize(
    ("role", "may_stop", "may_lift"),
    [
        ("author", True, False), ("approver", True, False), ("compliance", True, True), ("operator", True, False),
        ("auditor", False, False), ("viewer", False, False),
    ],
)  # fmt: skip
def test_who_may_stop_and_who_may_lift_a_stop(scene: Scene, role: str, may_stop: bool, may_lift: bool) -> None:
    person = make_person(scene.account, role)

    def order(by: Person) -> Stop:
        return stopping.order_stop(scene.account.pk, owner=scene.owner, by=by, reason="test", now=NOW)

    assert (refusal(lambda: order(person)) == "") is may_stop
    stop = order(scene.officer)
    assert (refusal(lambda: stopping.lift_stop(stop, owner=scene.owner, by=person, now=NOW)) == "") is may_lift
    stale = replace(scene.officer, factor_age=None)
    assert refusal(lambda: stopping.lift_stop(stop, owner=scene.owner, by=stale, now=NOW)) == "approval.factor-stale"
    # Seconds count: stopping asks for no code.
    assert refusal(lambda: order(stale)) == ""


def test_a_stop_says_why(scene: Scene) -> None:
    assert (
        refusal(lambda: stopping.order_stop(scene.account.pk, owner=scene.owner, by=scene.author, reason="hm", now=NOW))
        == "hipaa.stop-reason-unknown"
    )


# --- At once ------------------------------------------------------------------------------------------------------


def at_once(*works: Callable[[], Any]) -> list[str]:
    """Run them together; the code of each refusal, '' for what worked."""
    start_line, results = threading.Barrier(len(works)), [""] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        start_line.wait()
        try:
            work()
        except CampaignError as error:
            results[number] = error.code
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number, work)) for number, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_two_approvers_at_once_are_both_counted_and_it_is_approved_once() -> None:
    scene = make_scene()
    hit = Hit("condition", "html:4", blocks=False, digest="d1", overridden_by=scene.author.id)
    approval = scene.submit(hits=[hit])
    copies = [Approval.objects.get(pk=approval.pk) for _ in range(2)]
    results = at_once(
        lambda: scene.approve(copies[0], confirmed=["d1"]),
        lambda: scene.approve(copies[1], by=scene.officer, confirmed=["d1"]),
    )
    approval.refresh_from_db()
    assert results == ["", ""]
    assert (approval.state, approval.votes.count()) == (State.APPROVED, 2)
    assert [data["enough"] for data in AuditEvent.objects.filter(action="approval.approved").values_list("data", flat=True)] == [
        False, True,
    ]  # fmt: skip
    assert verify().is_sound


@pytest.mark.django_db(transaction=True)
def test_of_approving_and_rejecting_at_once_one_wins() -> None:
    scene = make_scene()
    approval = scene.submit()
    copies = [Approval.objects.get(pk=approval.pk) for _ in range(2)]
    results = at_once(
        lambda: scene.approve(copies[0]),
        lambda: voting.reject(copies[1], by=scene.officer, reason="content", now=NOW),
    )
    approval.refresh_from_db()
    assert sorted(results) == ["", "approval.not-now"]
    assert approval.state == (State.APPROVED if results[0] == "" else State.REJECTED)
    assert approval.votes.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_starting_and_voiding_at_once_nothing_is_left_between() -> None:
    scene = make_scene()
    approval = scene.approved()
    leaves, parts = scene.leaves(), scene.parts()
    copies = [Approval.objects.get(pk=approval.pk) for _ in range(2)]
    results = at_once(
        lambda: start(copies[0], parts=parts, leaves=leaves, now=NOW),
        lambda: ending.void(copies[1], because="agreement-ended", actor=OFFICER, now=NOW),
    )
    approval.refresh_from_db()
    assert results[1] == ""
    assert approval.state == State.VOIDED
    assert MessageProof.objects.count() == (3 if results[0] == "" else 0)


@pytest.mark.django_db(transaction=True)
def test_submitting_twice_at_once_makes_one_approval() -> None:
    scene = make_scene()
    sends = [scene.send(), scene.send()]
    results = at_once(*(partial(submit, send, by=scene.author, now=NOW) for send in sends))
    assert sorted(results) == ["", "approval.already-submitted"]
    assert Approval.objects.count() == 1


@pytest.mark.django_db
def test_the_database_alone_refuses_a_second_live_approval(scene: Scene) -> None:
    approval = scene.submit()
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.bulk_create([replace_revision(approval, 2)])


def replace_revision(approval: Approval, revision: int) -> Approval:
    fields = {field.attname: getattr(approval, field.attname) for field in Approval._meta.concrete_fields}
    fields |= {"id": None, "revision": revision, "public_id": Approval().public_id}
    return Approval(**fields)


@pytest.mark.parametrize("table", [Vote, Attestation, Approval])
def test_what_was_decided_cannot_be_deleted(scene: Scene, table: Any) -> None:
    scene.approved()
    with pytest.raises(IntegrityError), transaction.atomic():
        table.objects.all()._raw_delete("default")


def test_a_large_list_is_proven_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_CHUNK", 2)
    scene = make_scene(messages=5)
    approval = scene.started()
    assert len(approved_messages(approval, scene.leaves())) == 5
    assert list(MessageProof.objects.order_by("position").values_list("position", flat=True)) == [0, 1, 2, 3, 4]
