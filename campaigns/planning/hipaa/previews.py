"""The mail as a reviewer sees it: filled with made-up values, worst cases included, never with anybody's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from campaigns.content.compile import Preview, compile_version
from campaigns.content.draft import draft_of
from campaigns.content.synthetic import sample_values
from campaigns.models import Campaign, TemplateVersion
from compliance.models import Approval

_CONTEXT = 3
_MOST_LINES = 400
_EMAIL = "sam.sample@example.invalid"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a difference: `kind` is added, removed, place or same."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What is new against the last revision that was approved; `earlier` is its number."""

    earlier: int
    lines: tuple[Change, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    recipients: int
    parts: tuple[str, ...]


def preview_sample(campaign: Campaign, content: TemplateVersion, *, row: str) -> Preview:
    """The mail for one row of made-up values (content.synthetic.ROWS); raises CampaignError."""
    account = campaign.account
    own = {"account_name": account.name, "postal_address": account.postal_address, "email": _EMAIL}
    return compile_version(content).preview({**sample_values(campaign.terms.variables, row=row), **own})


def compare_revisions(approval: Approval) -> Difference | None:
    """Against the last approved revision of the same send, or of another one with the same template; None for the first."""
    earlier = _find_earlier(approval)
    if earlier is None:
        return None
    new, old = approval.manifest, earlier.manifest
    names = [_names(manifest) for manifest in (new, old)]
    return Difference(
        earlier=earlier.revision,
        lines=tuple(_diff(_texts(old), _texts(new))),
        added=tuple(sorted(names[0] - names[1])),
        removed=tuple(sorted(names[1] - names[0])),
        recipients=approval.recipients - earlier.recipients,
        parts=tuple(sorted(name for name in new.keys() & old.keys() if name in _SHOWN and new[name] != old[name])),
    )


_SHOWN = {"from", "legal_basis", "purpose", "relay", "reply_to", "schedule", "terms", "tls_policy"}


def _find_earlier(approval: Approval) -> Approval | None:
    approved = Approval.objects.filter(account=approval.account_id, approved_at__isnull=False, pk__lt=approval.pk)
    same_send = approved.filter(campaign=approval.campaign_id).order_by("-pk").first()
    if same_send is not None:
        return same_send
    template = approval.manifest["template"]["id"]
    return approved.filter(manifest__template__id=template).order_by("-pk").first()


def _texts(manifest: Mapping[str, Any]) -> list[str]:
    """Subject, preview line and source of the version a manifest names, by lines."""
    found = TemplateVersion.objects.filter(
        template__public_id=manifest["template"]["id"], number=manifest["template"]["version"]
    ).first()
    if found is None:
        return []
    draft = draft_of(found)
    head = [f"Subject: {draft.subject}", f"Preview line: {draft.preheader}"]
    return [*head, *draft.source.splitlines(), *draft.text_source.splitlines()]


def _names(manifest: Mapping[str, Any]) -> set[str]:
    return {str(variable["name"]) for variable in manifest["template"]["variables"]}


def _diff(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    kinds = {"+": "added", "-": "removed", "@": "place", " ": "same"}
    lines = list(unified_diff(old, new, n=_CONTEXT, lineterm=""))[2:]
    return [Change(kinds.get(line[:1], "same"), line[1:] if line[:1] != "@" else line) for line in lines[:_MOST_LINES]]
