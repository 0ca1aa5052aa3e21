"""/email/1/templates: templates with attachments and preview. Bodies are forms; every change is a new version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import Field

from campaigns.accounts.tenancy import (
    access_landing_page,
    access_template_attachment,
    access_template_by_number,
)
from campaigns.api.allow import Allow, account_of
from campaigns.api.envelopes import Violation
from campaigns.api.forms import MULTIPART, describe_form, fill, read_body, read_form
from campaigns.api.schemas import NEWER, Wire
from campaigns.api.shapes import Page, Paging, as_violations, tell_page
from campaigns.api.template_forms import (
    NewAttachment,
    NewTemplate,
    Preview,
    TemplateChange,
    read_attachment,
    read_attachments,
    read_fields,
)
from campaigns.api.translate import Refused
from campaigns.api.wire import number_of, write_time
from campaigns.content import templates
from campaigns.content.problems import RenderError, TemplateError
from campaigns.errors import NotFound
from campaigns.models import Account, EmailTemplate, TemplateAttachment

router = Router(tags=["Templates"])

_SCOPE = "email:templates:manage"
_READ, _CHANGE, _PREVIEW = (Allow(f"templates.{what}", _SCOPE) for what in ("read", "change", "preview"))
_PLACES = {
    "template.name-invalid": "name",
    "template.name-taken": "name",
    "template.sender-invalid": "from",
    "template.reply-to-invalid": "replyTo",
    "template.landing-page-invalid": "landingPage",
    "template.not-editable": "html",
    **dict.fromkeys(
        ("attachment.type-refused", "attachment.content-mismatch", "attachment.name-unsafe",
         "template.too-many-attachments"),
        "attachments",
    ),
}  # fmt: skip
_FIELDS = {"subject": "subject", "preheader": "preheader"}
# As in our own previews: nothing in the mail can act, and nothing is fetched from elsewhere.
_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"


class PageOfTemplates(Wire):
    page: Page = 0
    size: Annotated[int, Field(ge=1, le=20)] = 20


class AttachmentOut(Wire):
    id: str
    content_type: str
    file_name: str
    size: int


class TemplateOut(Wire):
    id: int
    name: str
    from_: Annotated[str, Field(alias="from")]
    reply_to: str
    subject: str
    preheader: str
    html: str
    is_html_editable: bool
    attachments: list[AttachmentOut]
    landing_page_id: str
    created_at: str | None
    updated_at: str | None


class TemplateInListOut(Wire):
    id: int
    name: str
    created_at: str | None
    updated_at: str | None


class TemplatesOut(Wire):
    results: list[TemplateInListOut]
    paging: Paging


@router.get(
    "/1/templates",
    response={200: TemplatesOut, **NEWER},
    auth=_READ,
    operation_id="get_email_templates",
    summary="List templates",
    by_alias=True,
)
def list_templates(request: HttpRequest, query: Query[PageOfTemplates]) -> TemplatesOut:
    rows = templates.list_templates(account_of(request))
    shown = rows[query.page * query.size : (query.page + 1) * query.size]
    results = [
        TemplateInListOut(
            id=number_of(row.public_id),
            name=row.name,
            created_at=write_time(row.created_at),
            updated_at=write_time(templates.changed_at(row)),
        )
        for row in shown
    ]
    return TemplatesOut(results=results, paging=tell_page(query.page, query.size, total=rows.count()))


@router.post(
    "/1/templates",
    response={201: TemplateOut, **NEWER},
    auth=_CHANGE,
    operation_id="create_email_template",
    summary="Make a template",
    by_alias=True,
    openapi_extra=describe_form(NewTemplate),
)
def create_template(request: HttpRequest) -> Status[TemplateOut]:
    given = fill(NewTemplate, read_form(request))
    with _told():
        fields = read_fields(given, whole=True)
        _check_landing_page(account_of(request), fields)
        template = templates.create_template(
            account_of(request),
            fields=fields,
            attachments=read_attachments(given.attachments),
            now=timezone.now(),
        )
    return Status(201, _show(template))


@router.get(
    "/1/templates/{int:templateId}",
    response={200: TemplateOut, **NEWER},
    auth=_READ,
    operation_id="get_email_template",
    summary="Look at a template",
    by_alias=True,
)
def get_template(request: HttpRequest, templateId: int) -> TemplateOut:  # noqa: N803 - the wire's names
    return _show(access_template_by_number(account_of(request), templateId))


@router.put(
    "/1/templates/{int:templateId}",
    response={200: TemplateOut, **NEWER},
    auth=_CHANGE,
    operation_id="update_email_template",
    summary="Replace a template",
    by_alias=True,
    openapi_extra=describe_form(NewTemplate),
)
def update_template(request: HttpRequest, templateId: int) -> TemplateOut:  # noqa: N803
    """What is left out becomes empty, but for name and attachments, which stay."""
    return _change(request, templateId, fill(NewTemplate, read_form(request)), whole=True)


@router.patch(
    "/1/templates/{int:templateId}",
    response={200: TemplateOut, **NEWER},
    auth=_CHANGE,
    operation_id="patch_email_template",
    summary="Change parts of a template",
    by_alias=True,
    openapi_extra=describe_form(TemplateChange),
)
def patch_template(request: HttpRequest, templateId: int) -> TemplateOut:  # noqa: N803
    return _change(request, templateId, fill(TemplateChange, read_form(request)), whole=False)


@router.delete(
    "/1/templates/{int:templateId}",
    response={204: None, **NEWER},
    auth=_CHANGE,
    operation_id="delete_email_template",
    summary="Delete a template",
)
def delete_template(request: HttpRequest, templateId: int) -> Status[None]:  # noqa: N803
    templates.delete_template(access_template_by_number(account_of(request), templateId), now=timezone.now())
    return Status(204, None)


@router.post(
    "/1/templates/{int:templateId}/preview",
    response={200: None, **NEWER},
    auth=_PREVIEW,
    operation_id="generate_email_template_preview",
    summary="Look at a template as a reader does",
    openapi_extra={
        **describe_form(Preview, kinds=(MULTIPART, "application/json")),
        "responses": {200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    },
)
def preview_template(request: HttpRequest, templateId: int) -> HttpResponse:  # noqa: N803
    template = access_template_by_number(account_of(request), templateId)
    given = read_body(request, Preview) if request.content_type else Preview()
    try:
        html = templates.preview_template(template, values=given.placeholders)
    except (RenderError, TemplateError) as error:
        raise Refused(Violation("placeholders", error.safe_text)) from None
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return HttpResponse(html, content_type="text/html; charset=utf-8", headers=headers)


@router.get(
    "/1/templates/{int:templateId}/attachments",
    response={200: list[AttachmentOut], **NEWER},
    auth=_READ,
    operation_id="get_email_template_attachments",
    summary="List a template's attachments",
    by_alias=True,
)
def list_attachments(request: HttpRequest, templateId: int) -> list[AttachmentOut]:  # noqa: N803
    template = access_template_by_number(account_of(request), templateId)
    return [_show_attachment(kept) for kept in template.attachments.defer("data_sealed")]


@router.post(
    "/1/templates/{int:templateId}/attachments",
    response={201: AttachmentOut, **NEWER},
    auth=_CHANGE,
    operation_id="upload_email_template_attachment",
    summary="Add an attachment to a template",
    by_alias=True,
    openapi_extra=describe_form(NewAttachment),
)
def add_attachment(request: HttpRequest, templateId: int) -> Status[AttachmentOut]:  # noqa: N803
    template = access_template_by_number(account_of(request), templateId)
    attachment = read_attachment(fill(NewAttachment, read_form(request)), "data")
    places = {**dict.fromkeys(_PLACES, "data"), "attachment.name-unsafe": "fileName"}
    with as_violations(places):
        kept = templates.add_attachment(template, attachment=attachment, now=timezone.now())
    return Status(201, _show_attachment(kept))


@router.delete(
    "/1/templates/{int:templateId}/attachments/{attachmentId}",
    response={204: None, **NEWER},
    auth=_CHANGE,
    operation_id="delete_email_template_attachment",
    summary="Delete an attachment of a template",
)
def delete_attachment(request: HttpRequest, templateId: int, attachmentId: str) -> Status[None]:  # noqa: N803
    account = account_of(request)
    template, kept = access_template_by_number(account, templateId), access_template_attachment(account, attachmentId)
    templates.remove_attachment(template, attachment=kept, now=timezone.now())
    return Status(204, None)


def _change(request: HttpRequest, number: int, given: TemplateChange, *, whole: bool) -> TemplateOut:
    template = access_template_by_number(account_of(request), number)
    attachments = read_attachments(given.attachments) if given.attachments.strip() else None
    with _told():
        fields = read_fields(given, whole=whole)
        _check_landing_page(template.account, fields)
        return _show(templates.change_template(template, fields=fields, attachments=attachments, now=timezone.now()))


def _check_landing_page(account: Account, fields: templates.TemplateFields) -> None:
    try:
        if fields.landing_page:
            access_landing_page(account, fields.landing_page)
    except NotFound:
        raise Refused(Violation("landingPage", "must be the id of a landing page of this account")) from None


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a template, by the parts of its form. A problem may quote the template, never a recipient."""
    try:
        with as_violations(_PLACES):
            yield
    except TemplateError as error:
        raise Refused(
            *(
                Violation(
                    _FIELDS.get(problem.field, "html"),
                    f"line {problem.line}: {problem.text}" if problem.line else problem.text,
                )
                for problem in error.problems
            )
        ) from None


def _show(template: EmailTemplate) -> TemplateOut:
    latest = template.latest
    return TemplateOut(
        id=number_of(template.public_id),
        name=template.name,
        from_=template.sender,
        reply_to=template.reply_to,
        subject=latest.subject if latest else "",
        preheader=latest.preheader if latest else "",
        html=templates.show_html(latest) if latest else "",
        is_html_editable=templates.is_editable(latest) if latest else True,
        attachments=[_show_attachment(kept) for kept in template.attachments.defer("data_sealed")],
        landing_page_id=template.landing_page,
        created_at=write_time(template.created_at),
        updated_at=write_time(templates.changed_at(template)),
    )


def _show_attachment(kept: TemplateAttachment) -> AttachmentOut:
    return AttachmentOut(id=kept.public_id.hex, content_type=kept.media_type, file_name=kept.name, size=kept.size)
