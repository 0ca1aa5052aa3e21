"""A test mail of a HIPAA send: made-up values, to somebody of the staff, by the way the real ones will take.

It is no disclosure and needs no approval, because nothing about any recipient is in it: this room never opens one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import transaction

from campaigns import addresses, jobs, tokens
from campaigns.addresses import Address
from campaigns.content.synthetic import ROWS, sample_values
from campaigns.domains.organisations import is_one_organisation
from campaigns.errors import AddressError, CampaignError
from campaigns.models import Account, Door, HipaaSend, Lane, Membership, Message, Purpose, Submission, SubmissionState
from campaigns.outbox.accept import SendRequest
from campaigns.outbox.payload import Personal, content_scope, seal_recipients
from campaigns.planning.hipaa.checking import check_content
from campaigns.planning.hipaa.drafting import check_may_write
from campaigns.planning.hipaa.starting import DISPATCH_JOB
from compliance import audit, vault
from compliance.approvals.quorum import Person
from compliance.audit import Ref

_VALID_FOR = timedelta(hours=24)


def list_testers(account: Account) -> Sequence[User]:
    """Who may get one: people with a role in the account, whose mailbox is at the organisation of a verified domain."""
    domains = list(account.domains.exclude(verified_at=None).values_list("name", flat=True))
    staff = Membership.objects.filter(account=account, ends_at=None).values("user")
    people = User.objects.filter(pk__in=staff, is_active=True).exclude(email="").order_by("email")
    return [
        person
        for person in people
        if (address := _read(person.email)) and any(is_one_organisation(address.domain, name) for name in domains)
    ]


def send_trial(send: HipaaSend, *, to: int, row: str = ROWS[0], by: Person, now: datetime) -> Submission:
    """One mail to the mailbox of a person (by id), filled with one of content.synthetic.ROWS.

    Raises NotAllowed, KeysUnavailable, CampaignError `test.nobody` and whatever forbids the content or the account.
    """
    check_may_write(by)
    person = next((one for one in list_testers(send.account) if one.pk == to), None)
    address = _read(person.email) if person is not None else None
    if address is None or row not in ROWS:
        raise CampaignError(
            "test.nobody",
            "A test goes to people with a role in this account, at an address of its own domain.",
            action="Choose one of them.",
            status=422,
        )
    if findings := check_content(send, now=now):
        raise CampaignError(findings[0].code, findings[0].text, action=findings[0].action, status=422)
    submission = _make_submission(send, now=now)
    scope = content_scope(submission)
    assert scope is not None
    vault.prepare(scope)
    message = Message(
        public_id=uuid4(), submission=submission, recipient="", recipient_domain=address.domain, next_attempt_at=now,
        address_key=tokens.address_key(address, account=send.account.public_id),
    )  # fmt: skip
    values = Personal(values=sample_values(send.terms.variables, row=row), mailbox=address.mailbox)
    (message.placeholders_sealed,) = seal_recipients(submission, [(message.public_id, message.address_key, values)])
    with transaction.atomic():
        submission.save(force_insert=True)
        message.save(force_insert=True)
        actor, about = Ref("person", str(by.id)), Ref("campaign", str(send.public_id))
        owner = str(send.account.public_id)
        audit.record("content.tested", owner=owner, actor=actor, about=about, data={"to": str(to), "row": row}, now=now)
        jobs.ring(DISPATCH_JOB, submission.pk)
    return submission


def _make_submission(send: HipaaSend, *, now: datetime) -> Submission:
    assert send.content is not None
    assert send.sender is not None
    assert send.transport is not None
    request = SendRequest(
        account=send.account, door=Door.TEST, purpose=Purpose.TRANSACTIONAL, content=send.content, sender=send.sender,
        transport=send.transport, send_at=now,
    )  # fmt: skip
    # Of no campaign: it is no part of what is approved, nor of its figures.
    return Submission(
        account=send.account, door=Door.TEST, lane=Lane.HIPAA, purpose=Purpose.TRANSACTIONAL, state=SubmissionState.OPEN,
        content=send.content, sender=send.sender, transport=send.transport, options=request.as_options(), send_at=now,
        valid_until=now + _VALID_FOR, planned=1,
    )  # fmt: skip


def _read(email: str) -> Address | None:
    try:
        return addresses.parse(email)
    except AddressError:
        return None
