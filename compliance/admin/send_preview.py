"""The mail with made-up values, shown in a sandboxed frame: no way leads from here to anybody's own values."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse

from campaigns.admin.preview import answer_html, answer_note, answer_text
from campaigns.content.synthetic import ROWS
from campaigns.errors import CampaignError
from campaigns.models import Campaign, TemplateVersion
from campaigns.planning.hipaa.previews import preview_sample


def answer(request: HttpRequest, campaign: Campaign, content: TemplateVersion | None) -> HttpResponse:
    """`?row=` is one of content.synthetic.ROWS, `?part=text` the text part; 404 for anything else."""
    row = request.GET.get("row", ROWS[0])
    if content is None or row not in ROWS:
        raise Http404
    try:
        mail = preview_sample(campaign, content, row=row)
    except CampaignError as error:
        return answer_note(error.safe_text, [error.action] if error.action else [])
    if request.GET.get("part") == "text" or not mail.html:
        return answer_text(mail.text)
    return answer_html(mail.html)
