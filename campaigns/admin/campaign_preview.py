"""The mail of a campaign as one person would see it, with sample values."""

from __future__ import annotations

from django.http import HttpResponse

from campaigns.admin.preview import answer_html, answer_note, answer_text
from campaigns.content.compile import Preview, compile_version
from campaigns.errors import CampaignError
from campaigns.models import Campaign, TemplateVersion


def sample_subject(campaign: Campaign) -> str:
    """The subject as one person would read it; empty without a template, as written when it cannot be filled in."""
    if campaign.content is None:
        return ""
    try:
        return _fill(campaign, content=campaign.content).subject
    except CampaignError:
        return campaign.content.subject


def answer_preview(campaign: Campaign, *, content: TemplateVersion) -> HttpResponse:
    """The HTML of the mail for a sandboxed frame, its text when it has no HTML, or why it cannot be made."""
    try:
        mail = _fill(campaign, content=content)
    except CampaignError as error:
        return answer_note(error.safe_text, [error.action] if error.action else [])
    return answer_html(mail.html) if mail.html else answer_text(mail.text)


def _fill(campaign: Campaign, *, content: TemplateVersion) -> Preview:
    account = campaign.account
    return compile_version(content).preview({"account_name": account.name, "postal_address": account.postal_address})
