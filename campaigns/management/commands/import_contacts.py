"""Import contacts from a CSV file, in this process, with a progress bar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from campaigns.accounts import tenancy
from campaigns.audiences import contacts, importing
from campaigns.management.base import RoomCommand
from campaigns.management.terminal import count_import, draw_import, import_bar, move_import_bar
from campaigns.models import Account, ConsentKind, ImportJob, ImportState


class Command(RoomCommand):
    help = "Import a CSV file (plain or .gz) into a list; an import that was stopped goes on with --resume."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="Short name of the account.")
        parser.add_argument("list", help="Short name of the list.")
        parser.add_argument("file", type=Path, nargs="?", help="The file; not needed with --resume.")
        parser.add_argument(
            "--map", action="append", default=[], metavar="HEADER=NAME", help='What a column becomes: "Mail=email".'
        )
        parser.add_argument("--skip", action="append", default=[], metavar="HEADER", help="Leave a column out.")
        parser.add_argument("--consent", choices=ConsentKind.values, default=ConsentKind.UNKNOWN)
        parser.add_argument("--consent-source", default="", help="Where people agreed; the file's name if not given.")
        parser.add_argument("--encoding", default="", help="Such as utf-8 or cp1252; found out if not given.")
        parser.add_argument("--delimiter", default="", help="One of , ; | tab; found out if not given.")
        parser.add_argument("--resume", metavar="JOB", help="Go on with a stopped import, by its id.")
        parser.add_argument("--errors", type=Path, metavar="FILE", help="Write the rejected rows there, as CSV.")
        parser.add_argument("--create-list", action="store_true", help="Make the list if there is none.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, account: str, as_json: bool, errors: Path | None, **options: Any) -> None:
        job = self._open_job(tenancy.find_account(account), options)
        if not as_json:
            self.stderr.write(f"Import {job.public_id}")
        with import_bar(quiet=as_json) as bar:
            task = bar.add_task("Importing", total=job.size, rows="", rate="")
            job = importing.run_import(job.pk, on_progress=lambda job: move_import_bar(bar, task, job))
        if errors is not None:
            with errors.open("w", encoding="utf-8", newline="") as file:
                importing.write_errors(job, file)
        if job.state != ImportState.DONE:
            raise CommandError(f"This import is {job.get_state_display().lower()} elsewhere or cannot go on.")
        if as_json:
            self.stdout.write(json.dumps(count_import(job)))
        else:
            Console(file=self.stdout).print(draw_import(job))  # type: ignore[arg-type]

    def _open_job(self, owner: Account, options: dict[str, Any]) -> ImportJob:
        if options["resume"]:
            return tenancy.access_import(owner, options["resume"])
        if options["file"] is None:
            raise CommandError("Name the file to import, or --resume JOB.")
        if options["create_list"]:
            contacts.create_list(owner, slug=options["list"])
        job = importing.start_import(
            owner,
            list=tenancy.find_list(owner, options["list"]),
            file=options["file"],
            filename=options["file"].name,
            consent_kind=options["consent"],
            consent_source=options["consent_source"],
            encoding=options["encoding"],
            delimiter={"tab": "\t", "\\t": "\t"}.get(options["delimiter"], options["delimiter"]),
        )
        importing.set_mapping(job, _read_mapping(job, options))
        return job


def _read_mapping(job: ImportJob, options: dict[str, Any]) -> dict[str, str]:
    """The suggested columns with the given ones over them; a column given as email replaces the suggested one."""
    given = dict.fromkeys(options["skip"], "")
    for pair in options["map"]:
        header, equals, name = pair.rpartition("=")
        if not equals:
            raise CommandError(f'--map needs HEADER=NAME, such as --map "First Name=first_name"; not "{pair}".')
        given[header] = name
    return importing.merge_mapping(job.mapping, given)
