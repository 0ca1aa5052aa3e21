"""Who may do what with protected information: the table of docs/hipaa.md, held in both directions (45 CFR 164.308(a)(4))."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from campaigns.errors import CampaignError
from campaigns.models import FirstBatch, HipaaSend, Role, SendTerms
from campaigns.planning.hipaa import starting
from compliance import scanning
from compliance.agreements import recording, status, terms
from compliance.approvals import ending, protocols, stopping, voting
from compliance.approvals.quorum import Person
from compliance.approvals.submitting import submit
from compliance.models import ActivityReview, Approval, ApprovalPolicy, EmergencyAccess, SendProtocol, Stop
from compliance.oversight import emergency, incidents, reviews
from tests.approvals import NOW, Scene, make_person, make_scene
from tests.test_agreements import SIGNED

PAGE = Path(__file__).resolve().parent.parent / "docs" / "hipaa.md"
ROLES = [*(role.value for role in Role), "superuser"]


def stop_of(scene: Scene) -> Stop:
    return stopping.order_stop(scene.account.pk, owner=scene.owner, by=scene.officer, reason="test", now=NOW)


def hit_of(scene: Scene, text: str) -> scanning.ScanHit:
    return scanning.scan(scene.account.pk, owner=scene.owner, send="s", parts={"text": text}, now=NOW).hits[0]


def lift(scene: Scene, by: Person) -> Any:
    return stopping.lift_stop(stop_of(scene), owner=scene.owner, by=by, now=NOW)


def week_of(scene: Scene) -> ActivityReview:
    return ActivityReview.objects.create(account=scene.account, week=NOW.date(), made_at=NOW)


def emergency_of(scene: Scene) -> EmergencyAccess:
    return emergency.open_access(scene.account, reason="Nobody else can be reached.", by=scene.author, now=NOW)


def make_protocol(scene: Scene, by: Person) -> SendProtocol:
    ApprovalPolicy.objects.update(approvals=2)
    approval = scene.submit()
    scene.approve(approval)
    scene.approve(approval, by=scene.officer)
    return protocols.make_protocol(approval, days=30, by=by, now=NOW)


def end_protocol(scene: Scene, by: Person) -> None:
    protocols.end_protocol(make_protocol(scene, scene.officer), by=by, now=NOW)


Action = Callable[[Scene, Person], Any]


def let_go(scene: Scene, by: Person) -> None:
    approval = scene.submit()
    Approval.objects.filter(pk=approval.pk).update(state="sending")
    SendTerms.objects.create(campaign=scene.campaign)
    FirstBatch.objects.create(submission=scene.submission, size=1, began_at=NOW)
    starting.send_rest(HipaaSend.objects.get(pk=scene.campaign.pk), by=by, now=NOW)


# By the row of the page's table; each with everything ready, so that only the person decides.
ACTIONS: dict[str, tuple[str, Action]] = {
    "submit": ("submit, take back", lambda scene, by: submit(scene.send(), by=by, now=NOW)),
    "withdraw": ("submit, take back", lambda scene, by: ending.withdraw(scene.submit(), by=by, now=NOW)),
    "approve": ("approve, reject (not own work)", lambda scene, by: scene.approve(scene.submit(), by=by)),
    "reject": (
        "approve, reject (not own work)",
        lambda scene, by: voting.reject(scene.submit(), by=by, reason="content", now=NOW),
    ),
    "make-protocol": ("make sends like an approved one routine (not own work)", make_protocol),
    "end-protocol": ("end a protocol of routine sends", end_protocol),
    "override": (
        "answer a warning of the detectors",
        lambda scene, by: scanning.override(
            scene.account.pk,
            owner=scene.owner,
            send="s",
            hit=hit_of(scene, "oncology"),
            by=by,
            reason="public",
            now=NOW,
        ),
    ),
    "except": (
        "except an exact text",
        lambda scene, by: scanning.except_text(
            scene.account.pk, owner=scene.owner, hit=hit_of(scene, "MRN: 00482913"), by=by, reason="public", now=NOW
        ),
    ),
    "stop": (
        "stop everything",
        lambda scene, by: stopping.order_stop(scene.account.pk, owner=scene.owner, by=by, reason="test", now=NOW),
    ),
    "lift": ("lift a stop", lift),
    "let-go": ("let the others follow the first messages", let_go),
    "record": (
        "agreements, terms, states",
        lambda scene, by: recording.record_customer(scene.account.pk, SIGNED, owner=scene.owner, by=by, now=NOW),
    ),
    "accept": (
        "agreements, terms, states",
        lambda scene, by: terms.accept_terms(
            scene.account.pk, owner=scene.owner, version=terms.current_terms(now=NOW).version, by=by, now=NOW
        ),
    ),
    "incident": (
        "incidents",
        lambda scene, by: incidents.open_incident(
            scene.account, kind="other", discovered_at=NOW, sends=[], reference="", by=by, now=NOW
        ),
    ),
    "sign": ("sign a week, review an emergency", lambda scene, by: reviews.sign(week_of(scene), by=by, now=NOW)),
    "review": (
        "sign a week, review an emergency",
        lambda scene, by: emergency.review(emergency_of(scene), was_right=True, by=by, now=NOW),
    ),
    "break-glass": (
        "open emergency access",
        lambda scene, by: emergency.open_access(scene.account, reason="Nobody else can be reached.", by=by, now=NOW),
    ),
    "suspend": (
        "agreements, terms, states",
        lambda scene, by: status.change_status(scene.account.pk, to="suspended", reason="breach", by=by, now=NOW),
    ),
}


def allowed_by_the_page() -> dict[str, set[str]]:
    """row of the table → who may."""
    table = PAGE.read_text("utf-8").partition("## Roles")[2].partition("\n\n`test_role_matrix")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    words = {"compliance officer": "compliance"}
    columns = [[words.get(name, name) for name in re.split(r", ", cell)] for cell in rows[0][1:]]
    return {
        row[0]: {name for names, cell in zip(columns, row[1:], strict=True) if cell == "✓" for name in names}
        for row in rows[2:]
    }


@pytest.mark.django_db
@pytest.mark.parametrize("action", ACTIONS)
def test_exactly_the_roles_of_the_page_may_do_it(action: str) -> None:
    row, call = ACTIONS[action]
    done = set()
    for role in ROLES:
        scene = make_scene(messages=1)
        is_superuser = role == "superuser"
        person = make_person(scene.account, "viewer" if is_superuser else role)
        if is_superuser:
            person = replace(person, roles=frozenset(), is_superuser=True)
        if is_done(call, scene, person):
            done.add(role)
    assert done == allowed_by_the_page()[row]


@pytest.mark.django_db
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("change", [{"is_active": False}, {"is_service": True}, {"roles": frozenset()}])
def test_nobody_switched_off_no_service_and_nobody_without_a_role_may_do_anything(
    action: str, change: dict[str, Any]
) -> None:
    scene = make_scene(messages=1)
    person = make_person(scene.account, "compliance")
    assert not is_done(ACTIONS[action][1], scene, replace(person, **change))


@pytest.mark.django_db
@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_what_needs_a_fresh_second_factor(action: str) -> None:
    scene = make_scene(messages=1)
    stale = replace(make_person(scene.account, "compliance"), factor_age=timedelta(minutes=11))
    # Taking back, ending and stopping make nothing worse and must be quick; a warning's answer is confirmed by an approver.
    assert is_done(ACTIONS[action][1], scene, stale) is (action in {"withdraw", "end-protocol", "stop", "override"})


def test_every_row_of_the_page_is_tried() -> None:
    assert set(allowed_by_the_page()) == {row for row, _ in ACTIONS.values()}


def is_done(call: Action, scene: Scene, person: Person) -> bool:
    try:
        with transaction.atomic():
            call(scene, person)
    except CampaignError as refused:
        if refused.code not in {"approval.role-missing", "approval.factor-stale"}:
            raise
        return False
    return True
