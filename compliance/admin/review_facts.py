"""What a reviewer sees of a send: everything it is made of, and of its recipients counts only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from campaigns.content.compile import compile_version
from campaigns.content.draft import BUILT_IN
from campaigns.content.links import find_links
from campaigns.errors import CampaignError
from campaigns.models import HipaaSend, Message, Submission
from campaigns.planning.hipaa.previews import preview_sample
from campaigns.planning.hipaa.scan import scan_send
from compliance.admin.words import OVERRIDES, PARTS
from compliance.approvals.contributions import contributors_of
from compliance.models import Approval, Attestation, DetectorException
from compliance.scanning import ScanHit

SMALL = 11  # fewer people than that are not told apart (CMS cell size policy; 45 CFR 164.514(a))


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many recipients are at one provider, or at all that have few."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Hand:
    """Somebody who had a hand in what is reviewed, and in which parts."""

    name: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """A hit of the detectors that somebody says is none, and why."""

    hit: ScanHit
    who: str
    why: str


def count_domains(submission: Submission) -> list[Crowd]:
    """Recipients by provider, the largest first; providers with few of them are one line."""
    domains = Counter(Message.objects.filter(submission=submission).values_list("recipient_domain", flat=True))
    shown = [Crowd(name, count) for name, count in domains.most_common(8) if count >= SMALL]
    rest = domains.total() - sum(crowd.count for crowd in shown)
    return [*shown, Crowd("others", rest)] if rest else shown


def list_hands(approval: Approval) -> list[Hand]:
    """Who had a hand in it since the send was last approved."""
    found = contributors_of(approval)
    names = {user.pk: user.get_full_name() or user.get_username() for user in User.objects.filter(pk__in=found)}
    return [
        Hand(names.get(pk, "?"), tuple(PARTS.get(part, part) for part in sorted(parts))) for pk, parts in found.items()
    ]


def list_overrides(send: HipaaSend, approval: Approval, *, now: datetime) -> list[Override]:
    """What the check found and somebody overrode, as it was submitted."""
    pinned = {hit["digest"] for hit in approval.manifest["scanner"]["hits"] if hit["override_by"]}
    hits = [hit for hit in scan_send(send, now=now).hits if hit.digest in pinned]
    answers = {
        row.digest: row
        for row in DetectorException.objects.filter(digest__in=pinned, account=approval.account_id).select_related(
            "made_by"
        )
    }
    return [_override(hit, answers.get(hit.digest)) for hit in hits]


def list_newly_found(send: HipaaSend, approval: Approval, *, now: datetime) -> list[ScanHit]:
    """What the check finds now and did not when it was submitted: its rules are newer, or an exception has ended."""
    pinned = {hit["digest"] for hit in approval.manifest["scanner"]["hits"]}
    return [hit for hit in scan_send(send, now=now).hits if hit.digest not in pinned and not hit.overridden_by]


def list_statements(approval: Approval) -> Sequence[Attestation]:
    """What the author stated."""
    rows = approval.attestations.filter(side=Attestation.Side.AUTHOR).select_related("person")
    return list(rows.order_by("code"))


def list_addresses(send: HipaaSend) -> list[str]:
    """Where the links of the mail lead to; nothing when it cannot be read."""
    assert send.content is not None
    try:
        shown = compile_version(send.content).preview({})
    except CampaignError:
        return []
    found = dict.fromkeys(link.url for link in find_links(shown.html))
    # The reader's own link to opt out is ours, and another one in each mail.
    return [url for url in found if url != BUILT_IN["unsubscribe_url"]]


def measure(send: HipaaSend) -> int:
    """Bytes of HTML and text with the longest made-up values; 0 when the mail cannot be read."""
    assert send.content is not None
    try:
        mail = preview_sample(send, send.content, row="longest")
    except CampaignError:
        return 0
    return len(mail.html.encode()) + len(mail.text.encode())


def _override(hit: ScanHit, answer: Any) -> Override:
    if answer is None:
        return Override(hit, "?", "")
    who = answer.made_by.get_full_name() or answer.made_by.get_username()
    return Override(hit, who, OVERRIDES.get(answer.reason, ""))
