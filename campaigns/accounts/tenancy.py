"""Who may touch what: the only way a door gets an object.

A stranger's id, an id nobody has and a text that is no id at all are answered alike: NotFound, one text.
"""

from __future__ import annotations

import re
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Model, Q, QuerySet

from campaigns.addresses import ascii_domain
from campaigns.errors import AddressError, NotFound
from campaigns.models import (
    Account,
    ApiKey,
    Campaign,
    Contact,
    ContactList,
    Domain,
    EmailTemplate,
    ImportJob,
    LandingPage,
    Membership,
    Message,
    SandboxMail,
    Sender,
    Submission,
    TemplateAttachment,
    TemplateVersion,
    Transport,
    TransportPool,
    UploadedContent,
)
from campaigns.numbers import ids_between

_Row = TypeVar("_Row", bound=Model)
_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,60}")
_PREFIX = re.compile(r"[0-9a-f]{6,32}")


def accounts_of(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Account]:
    """The accounts a person works in: all for a superuser, none for somebody unknown or switched off."""
    if not user.is_authenticated or not user.is_active:
        return Account.objects.none()
    if getattr(user, "is_superuser", False):
        return Account.objects.all()
    # Through its own table: roles that have ended are not in it.
    return Account.objects.filter(pk__in=Membership.objects.filter(user=user.pk).values("account"))


def access_account(user: AbstractBaseUser | AnonymousUser, slug_or_public_id: str | UUID) -> Account:
    """The account by slug or public id, when the person works in it; raises NotFound."""
    public_id = _read_id(slug_or_public_id)
    # Checked here: PostgreSQL answers a NUL with an error, which a stranger could tell from NotFound.
    if public_id is None and not _SLUG.fullmatch(str(slug_or_public_id)):
        raise NotFound("account")
    named = Q(slug=str(slug_or_public_id))
    return _only(accounts_of(user).filter(named if public_id is None else named | Q(public_id=public_id)), "account")


def find_account(slug: str) -> Account:
    """The account by slug, for commands: whoever runs them owns the machine; raises NotFound."""
    return _only(Account.objects.filter(slug=slug), "account")


def find_api_key(prefix: str) -> ApiKey:
    """The one key of any account that begins so, 6 characters at least, for commands; raises NotFound."""
    found = list(ApiKey.objects.filter(prefix__startswith=prefix)[:2]) if _PREFIX.fullmatch(prefix) else []
    if len(found) != 1:
        raise NotFound("api-key")
    return found[0]


def find_list(account: Account, slug: str) -> ContactList:
    """The account's list by slug; raises NotFound."""
    return _only(ContactList.objects.filter(account=account, slug=slug), "list")


def find_template(account: Account, name: str) -> EmailTemplate:
    """The account's template by name; raises NotFound."""
    return _only(EmailTemplate.objects.filter(account=account, name=name), "template")


def find_sender(account: Account, email: str) -> Sender:
    """The account's first sender with this from-address; raises NotFound."""
    return _only(Sender.objects.filter(account=account, email=email), "sender")


def find_domain(account: Account, name: str) -> Domain:
    """The account's domain by its A-label name; raises NotFound."""
    return _only(Domain.objects.filter(account=account, name=name), "domain")


def access_api_key(account: Account, public_id: str | UUID) -> ApiKey:
    """The account's API key; raises NotFound."""
    return _access(ApiKey.objects.filter(account=account), "api-key", public_id)


def access_campaign(account: Account, public_id: str | UUID) -> Campaign:
    """The account's campaign; raises NotFound."""
    return _access(Campaign.objects.filter(account=account), "campaign", public_id)


def access_contact(account: Account, public_id: str | UUID) -> Contact:
    """The account's contact; raises NotFound."""
    return _access(Contact.objects.filter(account=account), "contact", public_id)


def access_domain(account: Account, public_id: str | UUID) -> Domain:
    """The account's sending domain; raises NotFound."""
    return _access(Domain.objects.filter(account=account), "domain", public_id)


def access_domain_by_name(account: Account, name: str) -> Domain:
    """The account's sending domain by its name in any form; raises NotFound."""
    try:
        return find_domain(account, ascii_domain(name))
    except AddressError:
        raise NotFound("domain") from None


def access_domain_by_number(account: Account, number: int) -> Domain:
    """The account's sending domain by the number of its public id; raises NotFound."""
    return _only(_with_number(Domain.objects.filter(account=account), number), "domain")


def access_import(account: Account, public_id: str | UUID) -> ImportJob:
    """The account's import; raises NotFound."""
    return _access(ImportJob.objects.filter(account=account), "import", public_id)


def access_list(account: Account, public_id: str | UUID) -> ContactList:
    """The account's list; raises NotFound."""
    return _access(ContactList.objects.filter(account=account), "list", public_id)


def access_message(account: Account, public_id: str | UUID) -> Message:
    """The account's message; raises NotFound."""
    return _access(Message.objects.filter(submission__account=account), "message", public_id)


def access_sandbox_mail(account: Account, public_id: str | UUID) -> SandboxMail:
    """A mail the sandbox kept for the account; raises NotFound."""
    return _access(SandboxMail.objects.filter(account=account), "sandbox-mail", public_id)


def access_sender(account: Account, public_id: str | UUID) -> Sender:
    """The account's from-address; raises NotFound."""
    return _access(Sender.objects.filter(account=account), "sender", public_id)


def access_submission(account: Account, public_id: str | UUID) -> Submission:
    """The account's submission; raises NotFound."""
    return _access(Submission.objects.filter(account=account), "submission", public_id)


def access_template(account: Account, public_id: str | UUID) -> EmailTemplate:
    """The account's template; raises NotFound."""
    return _access(EmailTemplate.objects.filter(account=account), "template", public_id)


def access_template_by_number(account: Account, number: int) -> EmailTemplate:
    """The account's template by the number of its public id, unless a program deleted it; raises NotFound."""
    return _only(_with_number(EmailTemplate.objects.filter(account=account, deleted_at=None), number), "template")


def access_template_attachment(account: Account, public_id: str | UUID) -> TemplateAttachment:
    """A file of one of the account's templates; raises NotFound."""
    return _access(TemplateAttachment.objects.filter(template__account=account), "attachment", public_id)


def access_landing_page(account: Account, public_id: str | UUID) -> LandingPage:
    """One of the account's unsubscribe pages; raises NotFound."""
    return _access(LandingPage.objects.filter(account=account), "landing-page", public_id)


def access_pool(account: Account, public_id: str | UUID) -> TransportPool:
    """The account's pool of ways out; raises NotFound."""
    return _access(TransportPool.objects.filter(account=account), "pool", public_id)


def access_transport(account: Account, public_id: str | UUID) -> Transport:
    """The account's way out; raises NotFound."""
    return _access(Transport.objects.filter(account=account), "transport", public_id)


def access_upload(account: Account, public_id: str | UUID) -> UploadedContent:
    """A file uploaded to the account, which may be over; raises NotFound."""
    return _access(UploadedContent.objects.filter(account=account), "content", public_id)


def access_version(account: Account, public_id: str | UUID) -> TemplateVersion:
    """A version of one of the account's templates; raises NotFound."""
    return _access(TemplateVersion.objects.filter(template__account=account), "template-version", public_id)


def _access(rows: QuerySet[_Row], thing: str, public_id: str | UUID) -> _Row:
    found = _read_id(public_id)
    if found is None:
        raise NotFound(thing)
    return _only(rows.filter(public_id=found), thing)


def _with_number(rows: QuerySet[_Row], number: int) -> QuerySet[_Row]:
    try:
        return rows.filter(public_id__range=ids_between(number))
    except ValueError:
        return rows.none()


def _only(rows: QuerySet[_Row], thing: str) -> _Row:
    row = rows.first()
    if row is None:
        raise NotFound(thing)
    return row


def _read_id(public_id: str | UUID) -> UUID | None:
    if isinstance(public_id, UUID):
        return public_id
    try:
        return UUID(public_id)
    except ValueError:
        return None
