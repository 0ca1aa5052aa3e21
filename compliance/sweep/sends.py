"""The door of HIPAA sends: a file of recipients, refused once and taken once, approved by another, on its way and looked at."""

from __future__ import annotations

import io
import zipfile

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from campaigns.content.draft import Variable, VersionDraft
from campaigns.content.versions import create_version
from campaigns.models import EmailTemplate, HipaaSend, Role, Sender, Submission, Transport
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.planning.hipaa import starting
from compliance.approvals.attest import STATEMENTS
from compliance.models import Approval
from compliance.sweep.doors import door, without_form
from compliance.sweep.stage import Stage

_SOURCE = '<html lang="en"><body><p>Dear {{ name }}, your letter is attached.</p></body></html>'
_ANSWERS = {"promotes": "no", "paid": "no", "refill": "no", "care": "yes"}


@door("A HIPAA send, from a file of recipients", delivers=True)
def _hipaa_send(stage: Stage) -> None:
    author, approver = stage.client(Role.AUTHOR), stage.client(Role.APPROVER)
    stage.receiver.refuses = False
    answer = author.post(reverse("admin:campaigns_hipaasend_add"), _draft(stage))
    stage.note("send draft", answer)
    send = HipaaSend.objects.get(account=stage.clinic)
    declared = {"name-kind": "name", "name-phi": "on", "name-purpose": "to greet them"}
    stage.note("send values", author.post(_url(send, "values"), declared))
    row = f"{stage.canary.address},{stage.canary.name},letter.txt"
    # The same person twice is refused, and so is what is no row at all.
    for rows in ((row, row), (row, f"{stage.canary.word},{stage.canary.word}"), (row,)):
        stage.note("send file", without_form(author.post(_url(send, "recipients"), _files(stage, rows))))
    for view in ("change", "submit", "preview"):
        stage.note(f"send {view}", author.get(_url(send, view)))
    author.post(_url(send, "confirm"))
    stated = {statement.code: "on" for statement in STATEMENTS} | {"A2-authorization": "not-required-treatment"}
    stated |= dict.fromkeys(("A4-substance", "A4-psychotherapy", "A4-minors"), "none")
    stage.note("send submit", author.post(_url(send, "submit"), stated))
    approval = Approval.objects.get(campaign=send.pk)
    review = reverse("admin:compliance_approval_change", args=[approval.public_id])
    stage.note("send review", approver.get(review))
    approve = reverse("admin:compliance_approval_approve", args=[approval.public_id])
    stage.note("send approve", approver.post(approve, {"seen": approval.digest, **stated}))
    approval.refresh_from_db()
    starting.start_send(approval, now=timezone.now())
    dispatch_slice(Submission.objects.get(campaign=send.pk).pk)
    for view in ("change", "messages", "progress", "evidence"):
        stage.note(f"send {view}", author.get(_url(send, view)))


def _draft(stage: Stage) -> dict[str, object]:
    template = EmailTemplate.objects.create(account=stage.clinic, name="Letters")
    create_version(template, draft=VersionDraft("A letter", "html", _SOURCE, variables=(Variable("name"),)))
    return {
        "name": "Letters of this month", "template": template.pk, "sender": Sender.objects.get(account=stage.clinic).pk,
        "transport": Transport.objects.get(account=stage.clinic).pk, "legal_basis": "treatment", "reference": "",
        "not_before": "", **_ANSWERS,
    }  # fmt: skip


def _files(stage: Stage, rows: tuple[str, ...]) -> dict[str, object]:
    """A sheet and a ZIP, large enough for Django to write them to a file, were it let."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("letter.txt", f"{stage.canary.word}\n" * 120_000)
    sheet = "\n".join(["Email,Name,File", *rows]).encode()
    return {
        "file": SimpleUploadedFile(f"{stage.canary.word}.csv", sheet),
        "archive": SimpleUploadedFile(f"{stage.canary.word}.zip", raw.getvalue()),
        "file_column": "file",
        "keep_days": "7",
    }


def _url(send: HipaaSend, view: str) -> str:
    return reverse(f"admin:campaigns_hipaasend_{view}", args=[send.public_id])
