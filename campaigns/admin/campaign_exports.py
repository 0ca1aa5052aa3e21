"""Tables of a campaign as CSV files, row by row: a million readers take no more memory than ten."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC

from django.http import StreamingHttpResponse
from django.utils import timezone

from campaigns.admin.campaign_heat import show_url
from campaigns.audiences import preferences
from campaigns.models import Campaign, Event, EventKind, Message, Submission
from campaigns.tracking import breakdown, stats

Row = Sequence[str | int]
# A spreadsheet runs a cell that starts so; the quote in front makes it text (evil input 5).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_AT_ONCE = 1_000


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def answer_csv(rows: Iterable[Row], *, name: str) -> StreamingHttpResponse:
    """The rows as a file, as they come, safe to open in a spreadsheet."""
    writer = csv.writer(_Echo())
    lines = (writer.writerow([_guard(cell) for cell in row]) for row in rows)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _guard(cell: str | int) -> str | int:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell


def write_links(campaign: Campaign, submission: Submission) -> Iterator[Row]:  # noqa: ARG001 (an export's signature)
    yield "link", "address", "place", "clicks", "people", "clicks_by_machines"
    for link in stats.read_links(submission):
        yield link.number, show_url(link.url), link.place + 1, link.clicks, link.people, link.machine_clicks


def write_domains(campaign: Campaign, submission: Submission) -> Iterator[Row]:  # noqa: ARG001 (an export's signature)
    yield "domain", "planned", "arrived", "bounced", "opened", "clicked", "unsubscribed", "complained"
    for row in breakdown.read_details(submission, now=timezone.now()).domains:
        yield (
            row.domain,
            row.planned,
            row.arrived,
            row.bounced,
            row.opened,
            row.clicked,
            row.unsubscribed,
            row.complained,
        )


def write_hours(campaign: Campaign, submission: Submission) -> Iterator[Row]:  # noqa: ARG001 (an export's signature)
    yield "hour_utc", "sent", "opened", "clicked"
    sent = breakdown.read_details(submission, now=timezone.now()).sent
    for row in stats.read_hours(submission, sent=sent):
        yield f"{row.at.astimezone(UTC):%Y-%m-%d %H:%M}", row.sent, row.opened, row.clicked


def write_devices(campaign: Campaign, submission: Submission) -> Iterator[Row]:  # noqa: ARG001 (an export's signature)
    yield "device", "system", "opens", "clicks"
    for row in stats.read_devices(submission):
        yield row.device, row.system, row.opened, row.clicked


def write_reasons(campaign: Campaign, submission: Submission) -> Iterator[Row]:  # noqa: ARG001 (an export's signature)
    yield "reason", "people"
    yield from preferences.reasons_of_submission(submission.pk)


def write_readers(campaign: Campaign, submission: Submission) -> Iterator[Row]:  # noqa: ARG001 (an export's signature)
    """Every reader with what became of the mail; opens and clicks without those of machines."""
    yield "email", "state", "reason", "sent_at", "opened", "clicked", "unsubscribed", "complained"
    after = ""
    rows = Message.objects.filter(submission=submission).order_by("address_key")
    while some := list(rows.filter(address_key__gt=after)[:_AT_ONCE]):
        told = _count_events(some)
        for message in some:
            did = [told.get((message.pk, kind), 0) for kind in _TOLD]
            sent = f"{message.sent_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if message.sent_at else ""
            yield message.recipient, message.state, message.error_code, sent, *did
        after = some[-1].address_key


_TOLD = (EventKind.OPENED, EventKind.CLICKED, EventKind.UNSUBSCRIBED, EventKind.COMPLAINED)


def _count_events(messages: Sequence[Message]) -> dict[tuple[int, str], int]:
    rows = Event.objects.filter(message__in=[message.pk for message in messages], kind__in=_TOLD)
    found: dict[tuple[int, str], int] = {}
    for key in rows.exclude(is_machine=True).order_by().values_list("message_id", "kind"):
        found[key] = found.get(key, 0) + 1
    return found


def write_comparison(compared: Sequence[stats.Compared], missing: Mapping[int, frozenset[str]]) -> Iterator[Row]:
    """A row for each campaign; what was not counted of it, by its key in `missing`, stays empty."""
    yield (
        "campaign", "sent_at", "planned", "sent", "arrived", "bounced", "opened", "clicked", "opened_by_machines_only",
        "unsubscribed", "complained",
    )  # fmt: skip
    for entry in compared:
        funnel = entry.funnel
        at = f"{entry.campaign.send_at.astimezone(UTC):%Y-%m-%d %H:%M}" if entry.campaign.send_at else ""
        opened, machines = funnel.opened.shown, funnel.opened.machines
        has_opens, has_clicks = (what not in missing[entry.campaign.pk] for what in ("opens", "clicks"))
        yield (
            entry.campaign.name, at, funnel.planned, funnel.left, funnel.arrived, funnel.bounced,
            opened if has_opens else "", funnel.clicked.shown if has_clicks else "", machines if has_opens else "",
            funnel.unsubscribed, funnel.complained,
        )  # fmt: skip


EXPORTS: dict[str, Callable[[Campaign, Submission], Iterator[Row]]] = {
    "links": write_links,
    "domains": write_domains,
    "hours": write_hours,
    "devices": write_devices,
    "reasons": write_reasons,
    "readers": write_readers,
}
