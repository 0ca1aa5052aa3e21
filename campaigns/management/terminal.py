"""What commands draw on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypedDict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from campaigns.models import ImportJob
from campaigns.outbox.reports import SendReport

_IMPORT_ROWS = (
    ("Rows", "position"),
    ("New contacts", "created"),
    ("Updated", "updated"),
    ("Duplicates in the file", "duplicates"),
    ("Rejected", "rejected"),
    ("Stay unsubscribed", "kept_unsubscribed"),
)


def draw_report(title: str, report: SendReport) -> Table:
    """A campaign's report: every state with messages, and every reason."""
    table = Table("", "messages", title=title)
    for name, value in report.as_json().items():
        if type(value) is int and (value or name in {"planned", "sent", "lost"}):
            table.add_row(name, f"{value:,}")
    for code, count in report.reasons.items():
        table.add_row(f"  {code}", f"{count:,}")
    return table


class DomainRow(TypedDict):
    """What a look at DNS found for one domain, as it is printed and as JSON."""

    account: str
    domain: str
    verified: bool
    failed_looks: int
    findings: list[dict[str, Any]]


def draw_domains(rows: Iterable[DomainRow]) -> Table:
    """Each domain with its records: found, wrong with the corrected value, or waiting for an answer."""
    # A value that is cut cannot be published.
    record, words_of = Column("Record", overflow="fold"), Column("What DNS says, and what to publish", overflow="fold")
    table = Table(record, "", words_of, show_lines=False)
    for row in rows:
        state = "verified" if row["verified"] else "NOT VERIFIED"
        if row["failed_looks"]:
            state += f", wrong for {row['failed_looks']} looks"
        table.add_section()
        table.add_row(Text(row["domain"], style="bold"), "", Text(f"{state} ({row['account']})", style="bold"))
        for finding in row["findings"]:
            words = Text(finding["text"])
            if finding["fix"]:
                # Texts of strangers: nothing in them is markup.
                words.append(f"\npublish: {finding['host']} {finding['type']} {finding['fix']}".rstrip(), style="cyan")
            table.add_row(f"  {finding['record']}", "ok" if finding["ok"] else "--", words)
    return table


def draw_import(job: ImportJob) -> Table:
    """What became of the rows of a file."""
    table = Table("", f"{job.filename} → {job.list.name}", title="Import")
    for word, name in _IMPORT_ROWS:
        table.add_row(word, f"{getattr(job, name):,}")
    return table


def count_import(job: ImportJob) -> dict[str, int | str]:
    """The same figures for programs."""
    counts: dict[str, int | str] = {name: getattr(job, name) for _, name in _IMPORT_ROWS[1:]}
    return {"job": str(job.public_id), "rows": job.position, **counts}


def import_bar(*, quiet: bool) -> Progress:
    """A bar of bytes with rows and rate beside it; nothing where nobody watches."""
    words = TextColumn("{task.fields[rows]} {task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), words, TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=quiet or not sys.stderr.isatty())


def move_import_bar(progress: Progress, task: TaskID, job: ImportJob) -> None:
    """Where the import stands now, and how many rows a second that is."""
    seconds = progress.tasks[0].elapsed
    rate = f"{job.position / seconds:,.0f}/s" if seconds else ""
    progress.update(task, completed=job.bytes_read, rows=f"{job.position:,} rows", rate=rate)


@contextmanager
def act_bars(console: Console) -> Iterator[Callable[[str, int, int | None], None]]:
    """One bar for each act by name, moved by calling with (act, done, total); nothing where nobody watches."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def move(act: str, done: int, total: int | None) -> None:
            if act not in tasks:
                tasks[act] = progress.add_task(act, total=total)
            progress.update(tasks[act], completed=done, total=total)

        yield move
