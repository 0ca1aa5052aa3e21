"""Templates as programs keep them: made, changed and deleted by what they hold; every change is a new version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from itertools import count
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, ProtectedError, QuerySet, Sum

from campaigns import addresses, filetypes
from campaigns.content.compile import compile_version
from campaigns.content.draft import VersionDraft, draft_of
from campaigns.content.infer import infer_variables
from campaigns.content.letter import Attachment
from campaigns.content.liquid import read_placeholders
from campaigns.content.mjml import compile_mjml
from campaigns.content.versions import create_version
from campaigns.errors import AddressError, CampaignError, NotFound
from campaigns.models import Account, EmailTemplate, SourceKind, TemplateAttachment, TemplateVersion
from compliance import vault
from compliance.facts import AttachmentFacts
from compliance.rules.attachments import judge_file

MOST_ATTACHMENTS = 20
_NAME_LENGTH, _LANDING_LENGTH = 120, 60
_UNTITLED = "Untitled template"


@dataclass(frozen=True, slots=True)
class TemplateFields:
    """What a program says about a template. None leaves a field as it is; for a new template it is empty.

    `sender` is an address or `Name <address>`. Without a subject the name stands for it.
    """

    name: str | None = None
    sender: str | None = None
    reply_to: str | None = None
    subject: str | None = None
    preheader: str | None = None
    html: str | None = None
    landing_page: str | None = None


def create_template(
    account: Account, *, fields: TemplateFields, attachments: Sequence[Attachment] = (), now: datetime
) -> EmailTemplate:
    """The account's new template with its first version; one without a name gets one.

    Raises TemplateError, CampaignError `template.name-invalid`, `template.name-taken`, `template.sender-invalid`,
    `template.reply-to-invalid`, `template.landing-page-invalid`, or what add_attachment raises.
    """
    name = (fields.name or "").strip() or _free_name(account)
    return _store(EmailTemplate(account=account), replace(fields, name=name), attachments, now=now)


def change_template(
    template: EmailTemplate, *, fields: TemplateFields, attachments: Sequence[Attachment] | None = None, now: datetime
) -> EmailTemplate:
    """The template with other contents: a new version, unless nothing changed. Attachments given replace all there are.

    Raises what create_template raises, and CampaignError `template.not-editable` for other HTML of one that was not
    written as HTML.
    """
    return _store(template, fields, attachments, now=now)


def delete_template(template: EmailTemplate, *, now: datetime) -> None:
    """Delete it; one that mail was made of is kept with its versions, out of reach of programs, and frees its name."""
    try:
        with transaction.atomic():
            template.delete()
    except ProtectedError:
        name = f"{template.name[:90]} (deleted {template.public_id.hex[:8]})"
        EmailTemplate.objects.filter(pk=template.pk).update(deleted_at=now, name=name)


def add_attachment(template: EmailTemplate, *, attachment: Attachment, now: datetime) -> TemplateAttachment:
    """One more file for mails of this template, judged as the gate will judge it when they leave.

    Raises CampaignError `attachment.type-refused`, `attachment.content-mismatch`, `attachment.name-unsafe`,
    `template.too-many-attachments` or `template.attachments-too-large`.
    """
    _check_file(attachment)
    with transaction.atomic():
        # Uploads to one template wait for each other, or two could pass the limit together.
        EmailTemplate.objects.select_for_update().get(pk=template.pk)
        there = template.attachments.aggregate(Sum("size"))["size__sum"] or 0
        _check_sizes(template.attachments.count() + 1, there + len(attachment.data))
        kept = _keep_file(template, attachment)
        _touch(template, now=now)
    return kept


def remove_attachment(template: EmailTemplate, *, attachment: TemplateAttachment, now: datetime) -> None:
    """Take a file away; raises NotFound when it is another template's."""
    if attachment.template_id != template.pk:
        raise NotFound("attachment")
    attachment.delete()
    _touch(template, now=now)


def open_attachments(template: EmailTemplate) -> tuple[Attachment, ...]:
    """The template's files; raises CampaignError `content.gone` when one does not open."""
    return tuple(_open_file(kept) for kept in template.attachments.select_related("template__account"))


def list_templates(account: Account) -> QuerySet[EmailTemplate]:
    """The account's templates a program may see, in the order they were made."""
    rows = account.templates.filter(deleted_at=None).order_by("pk")
    return rows.annotate(version_at=Max("versions__created_at"))


def changed_at(template: EmailTemplate) -> datetime:
    """When a program or a person changed it last."""
    latest = template.latest if not hasattr(template, "version_at") else None
    version_at = latest.created_at if latest else getattr(template, "version_at", None)
    return max(template.changed_at, version_at) if version_at else template.changed_at


def preview_template(template: EmailTemplate, *, values: Mapping[str, Any]) -> str:
    """The latest version's HTML for these values; what has none shows its sample or its name.

    Raises RenderError, TemplateError, or NotFound for a template nobody has written yet.
    """
    if (version := template.latest) is None:
        raise NotFound("template")
    account = template.account
    own = {"account_name": account.name, "postal_address": account.postal_address}
    shown = compile_version(version).preview({**{name: text for name, text in own.items() if text}, **values})
    return shown.html or f"<html><body><pre>{escape(shown.text, quote=False)}</pre></body></html>"


def is_editable(version: TemplateVersion) -> bool:
    """Whether its HTML can be written by others: what was made with the designer, or is plain text, cannot."""
    return version.source_kind == SourceKind.HTML


def show_html(version: TemplateVersion) -> str:
    """The version as HTML with its placeholders: its source, or what its source becomes."""
    if is_editable(version):
        return version.source
    if version.source_kind == SourceKind.TEXT:
        return f"<html><body><pre>{escape(version.source, quote=False)}</pre></body></html>"
    return compile_mjml(read_placeholders(version.source))


def _store(
    template: EmailTemplate, fields: TemplateFields, attachments: Sequence[Attachment] | None, *, now: datetime
) -> EmailTemplate:
    latest = template.latest if template.pk else None
    changes = _check_fields(fields)
    name = changes.get("name", template.name)
    draft = infer_variables(_draft(fields, latest, name=name))
    for attachment in attachments or ():
        _check_file(attachment)
    _check_sizes(len(attachments or ()), sum(len(attachment.data) for attachment in attachments or ()))
    for field, value in {**changes, "changed_at": now}.items():
        setattr(template, field, value)
    with transaction.atomic():
        _save(template)
        create_version(template, draft=draft)
        if attachments is not None:
            template.attachments.all().delete()
            for attachment in attachments:
                _keep_file(template, attachment)
    return template


def _draft(fields: TemplateFields, latest: TemplateVersion | None, *, name: str) -> VersionDraft:
    old = draft_of(latest) if latest else VersionDraft("", SourceKind.HTML, "")
    subject = old.subject if fields.subject is None else fields.subject.strip()
    preheader = old.preheader if fields.preheader is None else fields.preheader.strip()
    draft = replace(old, subject=subject or name, preheader=preheader)
    if fields.html is None or (latest and fields.html == show_html(latest)):
        return draft
    if latest and not is_editable(latest):
        raise CampaignError(
            "template.not-editable",
            "The HTML of this template was made with the designer or from plain text.",
            action="Change it on its page in the admin.",
        )
    # Its text part told what the old HTML told.
    return replace(draft, source=fields.html, text_source="")


def _check_fields(fields: TemplateFields) -> dict[str, str]:
    """What to write into the template's row."""
    changes: dict[str, str] = {}
    if fields.name is not None and fields.name.strip():
        changes["name"] = _check_name(fields.name.strip())
    if fields.sender is not None:
        changes["sender"] = _check_sender(fields.sender.strip())
    if fields.reply_to is not None:
        changes["reply_to"] = _check_reply_to(fields.reply_to.strip())
    if fields.landing_page is not None:
        changes["landing_page"] = _check_landing_page(fields.landing_page.strip())
    return changes


def _check_name(name: str) -> str:
    if len(name) > _NAME_LENGTH or not name.isprintable():
        raise CampaignError("template.name-invalid", f"must have at most {_NAME_LENGTH} printable characters")
    return name


def _check_sender(text: str) -> str:
    try:
        name, address = addresses.read_mailbox(text) if text else ("", None)
    except AddressError:
        name, address = "", None
    if (text and address is None) or len(name) > _NAME_LENGTH:
        raise CampaignError("template.sender-invalid", "must be an address, or a name and an address in <>")
    return f"{name} <{address.mailbox}>" if name and address else address.mailbox if address else ""


def _check_reply_to(text: str) -> str:
    try:
        return addresses.parse(text).mailbox if text else ""
    except AddressError:
        raise CampaignError("template.reply-to-invalid", "must be an address") from None


def _check_landing_page(text: str) -> str:
    if len(text) > _LANDING_LENGTH or not text.isprintable():
        raise CampaignError("template.landing-page-invalid", f"must have at most {_LANDING_LENGTH} characters")
    return text


def _free_name(account: Account) -> str:
    taken = set(
        EmailTemplate.objects.filter(account=account, name__startswith=_UNTITLED).values_list("name", flat=True)
    )
    names = (_UNTITLED if number == 1 else f"{_UNTITLED} {number}" for number in count(1))
    return next(name for name in names if name not in taken)


def _save(template: EmailTemplate) -> None:
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError:
        raise CampaignError("template.name-taken", "is the name of another template") from None


def _touch(template: EmailTemplate, *, now: datetime) -> None:
    template.changed_at = now
    EmailTemplate.objects.filter(pk=template.pk).update(changed_at=now)


def _check_file(attachment: Attachment) -> None:
    found = AttachmentFacts(
        attachment.name, filetypes.detect_type(attachment.name, attachment.data), len(attachment.data)
    )
    if finding := judge_file(found):
        raise CampaignError(finding.code, finding.text, action=finding.action)


def _check_sizes(number: int, size: int) -> None:
    if number > MOST_ATTACHMENTS:
        raise CampaignError(
            "template.too-many-attachments", f"A template has at most {MOST_ATTACHMENTS} attachments.", status=400
        )
    # Base64 makes 4 of 3 and adds line ends: the limit is on the mail as it leaves.
    if size * 1.37 > settings.MAX_MESSAGE_BYTES:
        raise CampaignError(
            "template.attachments-too-large",
            f"A mail has at most {settings.MAX_MESSAGE_BYTES // (1024 * 1024)} MB with its attachments.",
            action="Attach less.",
            status=413,
        )


def _keep_file(template: EmailTemplate, attachment: Attachment) -> TemplateAttachment:
    kept = TemplateAttachment(
        template=template, name=attachment.name, media_type=attachment.media_type, size=len(attachment.data)
    )
    kept.data_sealed = vault.seal(attachment.data, **_context(kept))
    kept.save(force_insert=True)
    return kept


def _open_file(kept: TemplateAttachment) -> Attachment:
    try:
        return Attachment(kept.name, kept.media_type, vault.unseal(bytes(kept.data_sealed), **_context(kept)))
    except vault.SealBroken:
        raise CampaignError("content.gone", "A file of this template cannot be opened.") from None


def _context(kept: TemplateAttachment) -> dict[str, str]:
    account = str(kept.template.account.public_id)
    return {"account": account, "thing": "template-attachment", "id": str(kept.public_id), "field": "data"}
