"""The recipients of a HIPAA send: checked as a whole, sealed in memory, and written as messages nothing of which leaves yet.

Nothing of a file is stored, queued or logged in the clear. Who uploads another one destroys the keys of the last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from campaigns import tokens
from campaigns.audiences.sheets import RowProblem, Sheet, SheetRefused, SheetRow, is_name_column, read_sheet
from campaigns.audiences.shifts import find_shift
from campaigns.content.letter import Attachment
from campaigns.content.synthetic import is_shaped
from campaigns.errors import CampaignError
from campaigns.models import Door, HipaaSend, Lane, Message, MessageFile, SendTerms, Submission, SubmissionState
from campaigns.outbox.accept import SendRequest
from campaigns.outbox.payload import Personal, content_scope, seal_recipients
from campaigns.outbox.sealed_files import FileEntry, seal_files
from campaigns.planning.hipaa import files, masking, probing
from campaigns.planning.hipaa.drafting import check_may_write, lock_draft, note_edit, reload
from compliance import audit, shredding, vault
from compliance.approvals.quorum import RECIPIENTS, Person
from compliance.audit import Ref
from compliance.vault import KeyScope

KEEP_DAYS = (7, 14, 30)
_CHUNK = 1_000


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Upload:
    """A file of recipients as it came, with a ZIP of files for them whose names stand in `file_column`.

    Within `keep_days` it must be approved and sent; then its keys are destroyed. `accepts_shift` says that somebody
    looked at names and addresses although they seem to be shifted.
    """

    data: bytes
    archive: bytes = b""
    file_column: str = ""
    keep_days: int = 30
    accepts_shift: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class _Recipient:
    """One row with the ids its seals are bound to."""

    row: SheetRow
    message: UUID
    address_key: str
    file: Attachment | None
    entry: FileEntry | None

    @property
    def personal(self) -> Personal:
        entries = (self.entry,) if self.entry else ()
        return Personal(values=self.row.values, mailbox=self.row.address.mailbox, files=entries)


def upload_recipients(send: HipaaSend, upload: Upload, *, by: Person, now: datetime) -> None:
    """Take a file in place of whatever was there; it must be looked at and confirmed before the send is submitted.

    Raises NotAllowed, SheetRefused, KeysUnavailable and CampaignError: `import.…`, `recipients.…`, `campaign.in-review`.
    """
    check_may_write(by)
    sheet = read_sheet(upload.data)
    _check_columns(sheet, send, upload)
    _check_values(sheet, send.terms, upload)
    shifted_at = _find_shifted(sheet, send.terms)
    if shifted_at and not upload.accepts_shift:
        raise _shifted(shifted_at)
    recipients = _give_files(_address(sheet.rows, send), upload)
    submission = _make_submission(send, count=len(recipients), until=now + timedelta(days=upload.keep_days), now=now)
    scope = content_scope(submission)
    assert scope is not None
    vault.prepare(scope)
    report: dict[str, Any] = {
        "count": len(recipients),
        "columns": [name for name in sheet.columns if name != upload.file_column],
        "files": sum(recipient.file is not None for recipient in recipients),
        "shifted_at": shifted_at,
        "uploaded_by": by.id,
    }
    samples = _seal_samples(send, recipients, scope=scope)
    with transaction.atomic():
        lock_draft(send)
        _discard(send, by=by, now=now)
        submission.save(force_insert=True)
        _write(submission, recipients, scope=scope)
        SendTerms.objects.filter(campaign=send).update(
            recipients=report,
            samples_sealed=samples,
            confirmed_by=None,
            confirmed_at=None,
            keep_until=_last_moment(scope),
        )
        probing.ask(submission)
        _tell("recipients.imported", send, by=by, data={"count": len(recipients), "files": report["files"]}, now=now)
    reload(send)


def remove_recipients(send: HipaaSend, *, by: Person, now: datetime) -> None:
    """Forget the uploaded recipients and destroy their keys; raises NotAllowed, CampaignError `campaign.in-review`."""
    check_may_write(by)
    with transaction.atomic():
        lock_draft(send)
        _discard(send, by=by, now=now)
        SendTerms.objects.filter(campaign=send).update(
            recipients={}, samples_sealed=None, confirmed_by=None, confirmed_at=None, keep_until=None
        )
        _tell("recipients.imported", send, by=by, data={"count": 0, "files": 0}, now=now)
    reload(send)


def confirm_samples(send: HipaaSend, *, by: Person, now: datetime) -> None:
    """Somebody looked at the masked rows, and names and addresses belong together. Raises NotAllowed, CampaignError."""
    check_may_write(by)
    with transaction.atomic():
        lock_draft(send)
        uploaded = SendTerms.objects.filter(campaign=send, samples_sealed__isnull=False)
        if not uploaded.update(confirmed_by=by.id, confirmed_at=now):
            raise CampaignError(
                "recipients.none", "No recipients are uploaded.", action="Upload them first.", status=409
            )
        note_edit(send, by=by, part=RECIPIENTS, now=now)
    reload(send)


def open_samples(send: HipaaSend) -> list[dict[str, Any]]:
    """The three masked rows, none when there are no recipients or their keys are gone; raises KeysUnavailable."""
    if send.terms.samples_sealed is None:
        return []
    try:
        opened = vault.unseal(bytes(send.terms.samples_sealed), **_samples_context(send))
    except vault.SealBroken:
        return []
    samples: list[dict[str, Any]] = json.loads(opened)
    return samples


def _check_columns(sheet: Sheet, send: HipaaSend, upload: Upload) -> None:
    declared = {str(one["name"]) for one in send.terms.variables}
    given = set(sheet.columns)
    if upload.file_column and upload.file_column not in given:
        raise _refusal(
            "file-column-unknown", f"No column is called “{upload.file_column}”.", "Choose a column of the file."
        )
    if bool(upload.file_column) != bool(upload.archive):
        raise _refusal(
            "archive-alone", "A ZIP file and the column that names its files go together.", "Give both or none."
        )
    if unknown := sorted(given - declared - {upload.file_column}):
        names = ", ".join(f"“{name}”" for name in unknown[:5])
        raise _refusal(
            "column-undeclared",
            f"The template does not use {names}, so the file has more than is needed (45 CFR 164.514(d)).",
            "Take the column out of the file, or use it in the template.",
        )
    if missing := sorted(declared - given):
        names = ", ".join(f"“{name}”" for name in missing[:5])
        raise _refusal("column-missing", f"The file has no column for {names}.", "Add it to the file.")


def _check_values(sheet: Sheet, terms: SendTerms, upload: Upload) -> None:
    kinds = {str(one["name"]): str(one["kind"]) for one in terms.variables}
    problems = [
        problem
        for row in sheet.rows
        for name, value in row.values.items()
        if name != upload.file_column and (problem := _judge_value(row, name, value, kind=kinds[name]))
    ]
    if problems:
        raise SheetRefused(problems)


def _judge_value(row: SheetRow, name: str, value: str, *, kind: str) -> RowProblem | None:
    if not value:
        return RowProblem(row.line, f"There is no value for “{name}”.")
    if not is_shaped(value, kind=kind):
        return RowProblem(row.line, f"The value of “{name}” does not look like what it is declared to be.")
    return None


def _find_shifted(sheet: Sheet, terms: SendTerms) -> int:
    """The line from which names seem to belong to a neighbouring row's address; 0 when they do not."""
    columns = _name_columns(sheet.columns, terms)
    if not columns:
        return 0
    names = [" ".join(row.values[column] for column in columns) for row in sheet.rows]
    shift = find_shift(names, [row.address.local for row in sheet.rows])
    return sheet.rows[shift.start].line if shift else 0


def _name_columns(columns: Sequence[str], terms: SendTerms) -> list[str]:
    kinds = {str(one["name"]): one["kind"] for one in terms.variables}
    return [name for name in columns if kinds.get(name) == "name" or is_name_column(name)]


def _address(rows: Sequence[SheetRow], send: HipaaSend) -> list[_Recipient]:
    account = send.account.public_id
    return [_Recipient(row, uuid4(), tokens.address_key(row.address, account=account), None, None) for row in rows]


def _give_files(recipients: list[_Recipient], upload: Upload) -> list[_Recipient]:
    """The recipients with their files; each file belongs to somebody, and each name is found."""
    if not upload.archive:
        return recipients
    contents = files.open_archive(upload.archive)
    problems: list[RowProblem] = []
    given = [_give_file(recipient, contents, upload.file_column, problems) for recipient in recipients]
    if problems:
        raise SheetRefused(problems)
    left = len(contents) - len({recipient.row.values[upload.file_column] for recipient in recipients} - {""})
    if left:
        raise _refusal("file-of-nobody", f"{left} files in the ZIP are named in no row.", "Take them out of the ZIP.")
    return given


def _give_file(
    recipient: _Recipient, contents: Mapping[str, bytes], column: str, problems: list[RowProblem]
) -> _Recipient:
    row = recipient.row
    own = replace(row, values={name: value for name, value in row.values.items() if name != column})
    name = row.values[column]
    if not name:
        return replace(recipient, row=own)
    if name not in contents:
        problems.append(RowProblem(row.line, "The file it names is not in the ZIP."))
        return recipient
    try:
        file = files.make_attachment(contents[name])
    except CampaignError as error:
        problems.append(RowProblem(row.line, f"Its file cannot be sent: {error.safe_text}"))
        return recipient
    entry = FileEntry(str(uuid4()), file.name, file.media_type, len(file.data), hashlib.sha256(file.data).hexdigest())
    return replace(recipient, row=own, file=file, entry=entry)


def _make_submission(send: HipaaSend, *, count: int, until: datetime, now: datetime) -> Submission:
    """Paused: no worker takes anything of it up before an approved start opens it."""
    assert send.content is not None
    assert send.sender is not None
    assert send.transport is not None
    request = SendRequest(
        account=send.account, door=Door.CAMPAIGN, purpose=send.purpose, content=send.content, sender=send.sender,
        transport=send.transport, send_at=now, campaign=send,
    )  # fmt: skip
    return Submission(
        account=send.account, campaign=send, door=Door.CAMPAIGN, lane=Lane.HIPAA, purpose=send.purpose, state=SubmissionState.PAUSED,
        content=send.content, sender=send.sender, transport=send.transport, options=request.as_options(), send_at=now,
        valid_until=until, planned=count,
    )  # fmt: skip


def _write(submission: Submission, recipients: Sequence[_Recipient], *, scope: KeyScope) -> None:
    for start in range(0, len(recipients), _CHUNK):
        some = recipients[start : start + _CHUNK]
        sealed = seal_recipients(submission, [(one.message, one.address_key, one.personal) for one in some])
        messages = [
            Message(
                public_id=one.message, submission=submission, recipient="", recipient_domain=one.row.address.domain,
                address_key=one.address_key, placeholders_sealed=values, next_attempt_at=submission.send_at,
            )
            for one, values in zip(some, sealed, strict=True)
        ]  # fmt: skip
        Message.objects.bulk_create(messages)
        _write_files(submission, [(message, one) for message, one in zip(messages, some, strict=True)], scope=scope)


def _write_files(submission: Submission, pairs: Sequence[tuple[Message, _Recipient]], *, scope: KeyScope) -> None:
    for message, one in pairs:
        if one.file is None or one.entry is None:
            continue
        (data,) = seal_files(submission, [(one.entry, one.file.data)], address_key=one.address_key, scope=scope)
        MessageFile.objects.create(message=message, public_id=one.entry.id, size=one.entry.size, data_sealed=data)


def _discard(send: HipaaSend, *, by: Person, now: datetime) -> None:
    """Delete what was uploaded before and destroy its keys; belongs into a transaction."""
    for old in Submission.objects.filter(campaign=send):
        MessageFile.objects.filter(message__submission=old).delete()
        Message.objects.filter(submission=old).delete()
        owner, actor = str(send.account.public_id), Ref("person", str(by.id))
        starts = f"submission:{old.public_id}:"
        old.delete()
        shredding.shred(owner, scope_starts=starts, reason="withdrawn", actor=actor, now=now)


def _seal_samples(send: HipaaSend, recipients: Sequence[_Recipient], *, scope: KeyScope) -> bytes:
    rows = [recipient.row for recipient in recipients]
    samples = masking.pick_samples(rows, names=_name_columns(list(rows[0].values), send.terms))
    return vault.seal(json.dumps(samples).encode(), scope, **_samples_context(send))


def _samples_context(send: HipaaSend) -> dict[str, str]:
    account, mine = str(send.account.public_id), str(send.public_id)
    return {"account": account, "thing": "campaign", "id": mine, "field": "samples"}


def _last_moment(scope: KeyScope) -> datetime:
    assert scope.expires_on is not None
    return datetime.combine(scope.expires_on, time(), tzinfo=UTC)


def _tell(action: str, send: HipaaSend, *, by: Person, data: dict[str, audit.Value], now: datetime) -> None:
    note_edit(send, by=by, part=RECIPIENTS, now=now)
    actor, about = Ref("person", str(by.id)), Ref("campaign", str(send.public_id))
    audit.record(action, owner=str(send.account.public_id), actor=actor, about=about, data=data, now=now)


def _shifted(line: int) -> CampaignError:
    return _refusal(
        "shifted",
        f"From row {line} on, names seem to belong to the address of the row above or below. Nothing was kept.",
        "Make the file anew where it comes from. If names and addresses do belong together, say so below and upload it again.",
    )


def _refusal(code: str, text: str, action: str) -> CampaignError:
    return CampaignError(f"recipients.{code}", text, action=action, status=422)
