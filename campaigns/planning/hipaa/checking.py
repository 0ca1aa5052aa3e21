"""Everything that keeps a HIPAA send from being submitted, told at once, in the order a person would mend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from django.db.models import Count, Q
from liquid.exceptions import LiquidError

from campaigns.audiences import suppression
from campaigns.content.compile import compile_version
from campaigns.content.draft import VersionDraft, draft_of
from campaigns.content.loading import find_loaded_by
from campaigns.content.mjml import MjmlError
from campaigns.content.placement import Misplaced, find_misplaced, find_unused, links_to_browser
from campaigns.errors import CampaignError
from campaigns.models import (
    Door,
    HipaaSend,
    Lane,
    Message,
    Purpose,
    SourceKind,
    Submission,
    SuppressionReason,
    SuppressionScope,
)
from campaigns.outbox.facts import submission_facts
from campaigns.outbox.holds import has_attested_replies
from campaigns.outbox.protected import keep_foreign
from campaigns.planning.hipaa.scan import scan_send
from compliance import authorizations, gate, marketing, standing
from compliance.approvals.submitting import REVIEW_TIME
from compliance.facts import Finding
from compliance.features.capabilities import load_capabilities
from compliance.scanning import Scan

_FIELDS = {
    "subject": "the subject",
    "preheader": "the preview line",
    "html": "a link or another attribute",
    "text": "a link",
}
_PHI = "45 CFR 164.502(b); Email API docs: PHI only in recipient-level placeholders"


def check_send(send: HipaaSend, *, scan: Scan | None = None, now: datetime) -> tuple[Finding, ...]:
    """What stops it, nothing when it can be submitted; `scan` saves looking at the texts once more."""
    hold = standing.find_hold(send.account_id, now=now)
    findings = [Finding(hold.code, hold.text, hold.action)] if hold else []
    findings += _check_sender(send)
    findings += _check_content(send)
    findings += _check_values(send)
    findings += _check_recipients(send, now=now)
    findings += _check_purpose(send, now=now)
    findings += _check_time(send, now=now)
    findings += _check_scan(scan or scan_send(send, now=now))
    findings += _ask_gate(send)
    return tuple(dict.fromkeys(findings))


def check_content(send: HipaaSend, *, now: datetime) -> tuple[Finding, ...]:
    """What forbids its content to be mailed to anybody, even with made-up values."""
    hold = standing.find_hold(send.account_id, now=now)
    findings = [Finding(hold.code, hold.text, hold.action)] if hold else []
    return (*findings, *_check_content(send), *_check_scan(scan_send(send, now=now)))


def find_submission(send: HipaaSend) -> Submission | None:
    """What waits with the sealed recipients, None before a file was uploaded."""
    rows = Submission.objects.select_related(
        "account", "content__template", "sender__domain", "transport", "campaign__terms"
    )
    return rows.filter(campaign=send).first()


def count_unauthorized(send: HipaaSend, *, now: datetime) -> int:
    """For how many recipients no valid authorization is on file; 0 when none is needed."""
    judgement = marketing.judge(send.terms.answers)
    if not marketing.needs_authorizations(judgement, basis=send.terms.legal_basis):
        return 0
    keys = list(Message.objects.filter(submission__campaign=send).values_list("address_key", flat=True))
    found = authorizations.find_authorized(
        send.account_id, keys, is_paid=judgement.is_paid, is_marketing=judgement.is_marketing, on=now.date()
    )
    return sum(key not in found for key in keys)


def _check_sender(send: HipaaSend) -> Iterator[Finding]:
    assert send.sender is not None
    if not has_attested_replies(send.sender):
        capability = load_capabilities()["inbound.reply-address"]
        text = f"Answers to this sender go to a mailbox nobody has attested. {capability.reason}"
        yield Finding(capability.code, text, capability.fix, capability.clause)


def count_suppressed(send: HipaaSend) -> list[tuple[str, int]]:
    """(reason in words, how many recipients) of those that must not be written to, the most frequent first."""
    reached = Q(scope__in=suppression.scopes_for(send.purpose))
    if send.purpose == Purpose.MARKETING and send.sender is not None:
        names = suppression.sender_names(send.sender.email)
        reached |= Q(scope=SuppressionScope.SENDER, sender__in=names)
    keys = Message.objects.filter(submission__campaign=send).values("address_key")
    rows = send.account.suppressions.filter(reached, address_key__in=keys).values_list("reason")
    counts = rows.annotate(count=Count("address_key", distinct=True)).order_by("-count", "reason")
    return [(str(SuppressionReason(reason).label), count) for reason, count in counts]


def _check_content(send: HipaaSend) -> Iterator[Finding]:
    assert send.content is not None
    draft = draft_of(send.content)
    try:
        misplaced, unused = find_misplaced(draft), find_unused(draft)
    except (LiquidError, MjmlError):
        yield Finding("content.syntax", "The template cannot be read.", "Open the template and correct it.")
        return
    yield from map(_explain_misplaced, misplaced)
    if links_to_browser(draft):
        capability = load_capabilities()["content.browser-view"]
        yield Finding(
            capability.code, f"{capability.label}: {capability.reason}", "Remove the link.", capability.clause
        )
    yield from _check_loaded(send, draft)
    for name in unused:
        text = f"The template declares “{name}” and does not use it (45 CFR 164.514(d))."
        yield Finding("hipaa.minimum-necessary", text, "Remove it from the template's variables.", _PHI)
    # A value for everybody lies beside the content, unsealed.
    for variable in draft.variables:
        if variable.default is not None:
            text = f"“{variable.name}” has a value for everybody who has none of their own."
            action = "In the template, let a missing value stop the mail instead."
            yield Finding("hipaa.default-placeholders", text, action, _PHI)


def _check_loaded(send: HipaaSend, draft: VersionDraft) -> Iterator[Finding]:
    """S6, B26: whoever hosts what a mail loads learns who opened it."""
    foreign = keep_foreign(send.account, find_loaded_by(draft))
    if not foreign:
        return
    capability = load_capabilities()["content.shared-services"]
    where = "" if draft.source_kind == SourceKind.MJML else f", first in line {foreign[0].line:,} of the HTML"
    text = f"Opening the mail would load something from another server ({len(foreign):,} found{where}). {capability.reason}"
    yield Finding(capability.code, text, capability.fix, capability.clause)


def _explain_misplaced(found: Misplaced) -> Finding:
    if not found.name:
        text = "A link or another attribute of the HTML depends on a value of the recipient."
        return Finding("hipaa.placeholder-scope", text, "Let values decide about text only.", _PHI)
    text = f"“{found.name}” stands in {_FIELDS[found.field]}, where more than the recipient sees it."
    return Finding("hipaa.placeholder-scope", text, "Use it in the body only.", _PHI)


def _check_values(send: HipaaSend) -> Iterator[Finding]:
    for variable in send.terms.variables:
        if not str(variable["purpose"]).strip():
            text = f"It is not said what “{variable['name']}” is needed for (45 CFR 164.514(d))."
            yield Finding("hipaa.purpose-missing", text, "Say it under “What each value is”.")


def _check_recipients(send: HipaaSend, *, now: datetime) -> Iterator[Finding]:
    terms = send.terms
    if not terms.recipients or terms.keep_until is None:
        yield Finding("recipients.none", "No recipients are uploaded.", "Upload the file of recipients.")
        return
    if sorted(terms.recipients["columns"]) != sorted(str(one["name"]) for one in terms.variables):
        text = "The uploaded file has other columns than the template has values."
        yield Finding("recipients.columns", text, "Upload the recipients again.")
    if terms.confirmed_at is None:
        text = "Nobody has looked whether names and addresses belong together."
        yield Finding("recipients.unconfirmed", text, "Look at the three masked rows and confirm them.")
    if terms.keep_until <= now:
        yield Finding("recipients.shredded", "The recipients were shredded on their day.", "Upload them again.")


def _check_purpose(send: HipaaSend, *, now: datetime) -> Iterator[Finding]:
    try:
        judgement = marketing.judge(send.terms.answers)
        marketing.check_basis(judgement, basis=send.terms.legal_basis, reference=send.terms.reference)
    except CampaignError as error:
        yield Finding(error.code, error.safe_text, error.action)
        return
    count = count_unauthorized(send, now=now)
    if count and count == send.terms.recipients.get("count"):
        what = "Marketing" if judgement.is_marketing else "What stands on authorizations"
        text = f"{what} needs a signed authorization of every recipient: 0 of {count:,} have one (45 CFR 164.508)."
        code = "hipaa.marketing-authorization" if judgement.is_marketing else "hipaa.authorization-missing"
        yield Finding(code, text, "Record the authorizations first.")


def _check_time(send: HipaaSend, *, now: datetime) -> Iterator[Finding]:
    last = send.terms.keep_until
    if send.send_at and last and send.send_at >= last:
        text = "It is to leave on a day on which its recipients are shredded already."
        yield Finding("hipaa.too-late", text, "Choose an earlier time, or upload the recipients with more days.")
    if send.send_at and send.send_at > now + REVIEW_TIME:
        yield Finding("approval.too-late", "An approval does not hold that long.", "Choose an earlier time.")


def _check_scan(scan: Scan) -> Iterator[Finding]:
    blocking = sum(hit.found.level == "block" and not hit.overridden_by for hit in scan.hits)
    asking = sum(hit.found.level != "block" and not hit.overridden_by for hit in scan.hits)
    if blocking:
        text = "The content seems to name protected information outside of the recipients' values."
        yield Finding("approval.scanner-blocked", text, "Correct what the check found, or ask the compliance officer.")
    if asking:
        text = "The check of the content has questions nobody has answered."
        yield Finding(
            "approval.scanner-unanswered", text, "Correct each place, or say why it is no health information."
        )


def _as_submission(send: HipaaSend) -> Submission:
    """What the send would be handed over as, before there are recipients."""
    return Submission(
        account=send.account, campaign=send, door=Door.CAMPAIGN, lane=Lane.HIPAA, purpose=send.purpose,
        content=send.content, sender=send.sender, transport=send.transport,
    )  # fmt: skip


def _ask_gate(send: HipaaSend) -> Iterator[Finding]:
    """What the gate would say to its mail for somebody nothing is known against."""
    submission = find_submission(send) or _as_submission(send)
    if submission.content is None or submission.sender is None:
        return
    try:
        compiled = compile_version(submission.content)
    except CampaignError as error:
        yield Finding(error.code, error.safe_text, error.action or "Open the template and correct it.")
        return
    known = submission_facts(
        submission, has_unsubscribe_link=compiled.has_unsubscribe_link, has_postal_address=compiled.has_postal_address
    )
    yield from gate.decide(replace(known, recipient_block="", message_bytes=0, tracks=False)).findings
