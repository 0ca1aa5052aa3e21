"""What readers did with a mail, in a few figures for the page of a campaign; the same words on every screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.admin.charts import Bar, bars
from campaigns.models import Campaign, Submission
from campaigns.outbox import levels
from campaigns.outbox.reports import SendReport
from campaigns.outbox.tracker import submission_switches
from campaigns.tracking import stats
from campaigns.tracking.stats import Compared, Funnel, Hits


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: `share` of the mails that arrived, `hint` what else belongs to it."""

    label: str
    count: int
    share: str = ""
    hint: str = ""


def read_figures(campaign: Campaign, submission: Submission | None, *, report: SendReport) -> tuple[Figure, ...]:
    """The figures of a campaign that has begun to leave; opens and clicks only where they are counted."""
    if submission is None:
        return ()
    funnel = stats.read_funnel(campaign, report=report)
    return list_figures(funnel, opens=counts(submission, "opens", funnel), clicks=counts(submission, "clicks", funnel))


def counts(submission: Submission, what: str, funnel: Funnel) -> bool:
    """Whether a figure of opens or clicks means anything: they are counted now, or were."""
    had = funnel.opened if what == "opens" else funnel.clicked
    wanted = submission.options.get("tracking", {}).get(what, True)
    return bool(had.total) or (bool(wanted) and bool(levels.ceiling(submission_switches(submission))))


def uncounted(entry: Compared) -> frozenset[str]:
    """Which of opens and clicks are no figure of this campaign: nothing is not the same as none."""
    submission = entry.campaign.submissions.select_related("account", "sender__domain").order_by("pk").first()
    if submission is None:
        return frozenset()
    return frozenset(what for what in ("opens", "clicks") if not counts(submission, what, entry.funnel))


def list_figures(funnel: Funnel, *, opens: bool, clicks: bool) -> tuple[Figure, ...]:
    figures = [Figure("Delivered", funnel.delivered, _share(funnel, funnel.delivered))] if funnel.delivered else []
    if opens:
        figures.append(
            Figure("Opened", funnel.opened.shown, _share(funnel, funnel.opened.shown), explain(funnel.opened))
        )
    if clicks:
        figures.append(
            Figure("Clicked", funnel.clicked.shown, _share(funnel, funnel.clicked.shown), explain(funnel.clicked))
        )
    return (
        *figures,
        Figure("Unsubscribed", funnel.unsubscribed, _share(funnel, funnel.unsubscribed)),
        Figure("Called it spam", funnel.complained, _share(funnel, funnel.complained)),
        Figure("Came back", funnel.bounced, say_percent(100 * funnel.bounced / funnel.left if funnel.left else 0)),
    )


def explain(hits: Hits) -> str:
    """What a figure of opens or clicks holds, and what it leaves out."""
    said = []
    if hits.nameless:
        said.append(f"{hits.nameless:,} counted without names")
    if hits.unknown:
        said.append(f"{hits.unknown:,} perhaps people")
    if hits.machines:
        said.append(f"{hits.machines:,} more by machines only")
    return ", ".join(said)


def _share(funnel: Funnel, count: int) -> str:
    return say_percent(funnel.share(count)) if funnel.arrived else ""


def reason_bars(reasons: Sequence[tuple[str, int]]) -> list[Bar]:
    """Why readers left, as far as they said."""
    total = sum(count for _, count in reasons) or 1
    return bars([(words, count, say_percent(100 * count / total), "") for words, count in reasons])


def say_percent(percent: float) -> str:
    """`0 %`, `0.04 %`, `3.2 %`, `48 %`."""
    if percent == 0 or percent >= 10:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.1 else f"{percent:.2f} %"
