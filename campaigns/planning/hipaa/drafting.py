"""Making a HIPAA send and changing its draft: every change is told to the audit trail and counted as somebody's hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.errors import CampaignError
from campaigns.models import (
    Account,
    BaaStatus,
    Campaign,
    CampaignKind,
    CampaignState,
    HipaaSend,
    Purpose,
    Sender,
    SendTerms,
    Submission,
    TemplateVersion,
    Transport,
)
from campaigns.planning.hipaa.scan import note_hits, scan_send
from compliance import audit, marketing
from compliance.approvals import quorum
from compliance.approvals.contributions import note_contribution
from compliance.approvals.quorum import NotAllowed, Person
from compliance.approvals.states import LIVE
from compliance.audit import Ref
from compliance.models import Approval


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What an author says of a send; `answers` are those of compliance.marketing's questions.

    Nothing leaves before `not_before`, if there is one, however early it is approved.
    """

    name: str
    content: TemplateVersion
    sender: Sender
    transport: Transport
    answers: Mapping[str, bool]
    legal_basis: str
    reference: str = ""
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """One value of a recipient: what it is (content.synthetic.KINDS), whether it is protected, and what it is for."""

    name: str
    kind: str = "text"
    phi: bool = True
    purpose: str = ""


def create_send(account: Account, draft: Draft, *, by: Person, now: datetime) -> HipaaSend:
    """A draft; raises NotAllowed, CampaignError `hipaa.baa-required`, `campaign.foreign-part`, or what marketing raises."""
    check_may_write(by)
    if account.baa_status == BaaStatus.NONE:
        raise CampaignError(
            "hipaa.baa-required",
            "No Business Associate Agreement is recorded for this account.",
            action="A compliance officer records one under Compliance › Agreements.",
            status=409,
        )
    columns, terms = _read(account.pk, draft)
    with transaction.atomic():
        send = HipaaSend.objects.create(
            account=account,
            kind=CampaignKind.HIPAA,
            track_opens=False,
            track_clicks=False,
            created_by_id=by.id,
            **columns,
        )
        SendTerms.objects.create(campaign=send, variables=_declare(draft.content, ()), **terms)
        _tell(send, by=by, part="content", now=now)
        note_hits(send, scan_send(send, now=now), now=now)
    return send


def change_send(send: HipaaSend, draft: Draft, *, by: Person, now: datetime) -> None:
    """Give a draft another content, purpose or time; values that are declared stay so. Raises what create_send raises."""
    check_may_write(by)
    columns, terms = _read(send.account_id, draft)
    with transaction.atomic():
        lock_draft(send)
        HipaaSend.objects.filter(pk=send.pk).update(**columns)
        SendTerms.objects.filter(campaign=send).update(variables=_declare(draft.content, send.terms.variables), **terms)
        # Recipients that were uploaded already wait with what they will be sent.
        taken = {name: columns[name] for name in ("content", "sender", "transport", "purpose")}
        Submission.objects.filter(campaign=send).update(**taken)
        _tell(send, by=by, part="content", now=now)
        reload(send)
        note_hits(send, scan_send(send, now=now), now=now)


def declare_values(send: HipaaSend, declared: Sequence[Declared], *, by: Person, now: datetime) -> None:
    """Say of each value what it is; those the template does not have are left out. Raises NotAllowed, CampaignError."""
    check_may_write(by)
    with transaction.atomic():
        lock_draft(send)
        SendTerms.objects.filter(campaign=send).update(
            variables=_declare(send.content, [asdict(one) for one in declared])
        )
        _tell(send, by=by, part="values", now=now)
    reload(send)


def check_may_write(by: Person) -> None:
    """Raises NotAllowed unless the person writes HIPAA sends in this account."""
    if not may_write(by):
        raise NotAllowed(
            "approval.role-missing",
            "Your role does not allow this.",
            action="Ask the author or the compliance officer.",
        )


def may_write(by: Person) -> bool:
    """Whether the person's role writes and submits HIPAA sends."""
    return by.is_active and not by.is_service and not by.is_superuser and bool(by.roles & quorum.SUBMITTING_ROLES)


_BEFORE_IT_BEGAN = frozenset({CampaignState.DRAFT})
# What waits when an approval became void on the way may be approved once more, as it is.
UNFINISHED = frozenset({CampaignState.DRAFT, CampaignState.SENDING, CampaignState.PAUSED})


def lock_draft(send: HipaaSend, *, states: Collection[CampaignState] = _BEFORE_IT_BEGAN) -> None:
    """Hold the draft for the rest of the transaction; raises CampaignError `campaign.in-review` once it is none."""
    locked = Campaign.objects.select_for_update().get(pk=send.pk)
    if locked.state not in states or find_live(send) is not None:
        raise CampaignError(
            "campaign.in-review",
            "This send has been submitted: what was seen by others stays as it is.",
            action="Take it back first, if you want to change it.",
            status=409,
        )


def find_live(send: HipaaSend) -> Approval | None:
    """The approval that is not over, None for a draft nobody has submitted."""
    return Approval.objects.filter(campaign=send.pk, state__in=[state.value for state in LIVE]).first()


def reload(send: HipaaSend) -> None:
    """The row and its terms as they are now."""
    send.refresh_from_db()
    send.terms.refresh_from_db()


def note_edit(send: HipaaSend, *, by: Person, part: str, now: datetime) -> None:
    """Count a change of a part as this person's; belongs into the change's transaction."""
    note_contribution(("campaign", str(send.public_id)), person_id=by.id, part=part, now=now)


def _tell(send: HipaaSend, *, by: Person, part: str, now: datetime) -> None:
    note_edit(send, by=by, part=part, now=now)
    actor, about = Ref("person", str(by.id)), Ref("campaign", str(send.public_id))
    owner = str(send.account.public_id)
    audit.record("content.edited", owner=owner, actor=actor, about=about, data={"part": part}, now=now)


def _read(account_id: int, draft: Draft) -> tuple[dict[str, Any], dict[str, Any]]:
    """What goes into the campaign's row, and what into that of its terms."""
    judgement = marketing.judge(draft.answers)
    marketing.check_basis(judgement, basis=draft.legal_basis, reference=draft.reference)
    parts = (draft.content.template, draft.sender, draft.transport)
    if {part.account_id for part in parts} != {account_id}:
        raise CampaignError("campaign.foreign-part", "Everything in a send must belong to its account.", status=404)
    columns = {
        "name": draft.name,
        "content": draft.content,
        "sender": draft.sender,
        "transport": draft.transport,
        "purpose": Purpose(judgement.purpose),
        "send_at": draft.not_before,
    }
    terms = {"answers": dict(draft.answers), "legal_basis": draft.legal_basis, "reference": draft.reference}
    return columns, terms


def _declare(content: TemplateVersion | None, known: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """An entry for each variable of the version; one nobody has spoken of is protected text without a purpose."""
    said = {str(one["name"]): dict(one) for one in known}
    names = [str(variable["name"]) for variable in content.variables] if content else []
    return [said.get(name) or asdict(Declared(name)) for name in names]
