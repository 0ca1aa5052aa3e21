"""The mail of a campaign with its clicks drawn on it: each link carries its share of all clicks."""

from __future__ import annotations

from campaigns.content.compile import compile_version
from campaigns.content.markers import MARK
from campaigns.content.mime import MailFrame
from campaigns.models import Campaign, Submission
from campaigns.outbox.tracker import view_plan
from campaigns.tracking import stats

_BADGE = (
    '<span style="display:inline-block;font:bold 11px/16px Arial,sans-serif;color:#ffffff;background:hsl({hue},70%,34%);'
    "border:1px solid #ffffff;border-radius:9px;padding:0 6px;margin:0 4px 2px 0;vertical-align:middle;"
    'text-decoration:none;letter-spacing:0;text-indent:0;white-space:nowrap">{text}</span>'
)


def draw_heat(campaign: Campaign, submission: Submission) -> str:
    """The HTML of the mail with a badge in each link, from blue for the coolest to red for the hottest; raises RenderError."""
    assert submission.content is not None
    clicks = {link.number: link.clicks for link in stats.read_links(submission)}
    total, most = sum(clicks.values()), max(clicks.values(), default=0)
    account = campaign.account
    frame = MailFrame("", "", account_name=account.name, postal_address=account.postal_address)

    def note(number: int) -> str:
        count = clicks.get(number, 0)
        share = f"{100 * count / total:.0f} %" if total else "0"
        hue = round(220 - 220 * count / most) if most else 220
        return _BADGE.format(hue=hue, text=f"{count:,} · {share}")

    return compile_version(submission.content).annotate(frame, plan=view_plan(submission), note=note)


def show_url(url: str) -> str:
    """An address of a link for people; values of each reader are dots."""
    return "An address from the reader's own details" if MARK.fullmatch(url) else MARK.sub("…", url)
