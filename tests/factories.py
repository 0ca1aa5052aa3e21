"""Rows for tests: each call makes one thing that is valid as it stands; keywords change one fact."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.utils import timezone

from campaigns import addresses, tokens
from campaigns.accounts.keys import create_key
from campaigns.content.draft import draft_of
from campaigns.models import (
    Account,
    ApiKey,
    Campaign,
    Contact,
    ContactList,
    DnsFinding,
    Domain,
    EmailTemplate,
    LandingPage,
    Membership,
    Role,
    Sender,
    Subscription,
    SubscriptionState,
    TemplateVersion,
    Transport,
)

_number = count(1)

HTML = (
    "<html><body><p>Hello {{ first_name }},</p><p>news for you.</p>"
    '<p>{{ account_name }}, {{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
)
VARIABLES = ({"name": "first_name", "label": "First name", "sample": "Ada", "default": "friend"},)


def make_account(**fields: Any) -> Account:
    """An account with a postal address and its default sandbox transport."""
    number = next(_number)
    fields = {"name": f"Account {number}", "slug": f"account-{number}", "postal_address": "1 Main St, Vilnius"} | fields
    account = Account.objects.create(**fields)
    Transport.objects.create(account=account, name="Sandbox", kind="sandbox", is_default=True)
    return account


def make_user(account: Account | None = None, *, role: str = Role.AUTHOR, **fields: Any) -> User:
    """A person; a member of the account in that role when one is given. The password is `correct horse battery`."""
    username = fields.pop("username", f"user{next(_number)}")
    password = fields.pop("password", "correct horse battery")
    user = get_user_model().objects.create_user(username, password=password, **({"is_staff": True} | fields))
    if account is not None:
        Membership.objects.create(user=user, account=account, role=role)
    return user


def make_api_key(account: Account, **fields: Any) -> tuple[ApiKey, str]:
    """A key of the account that may do everything, and its text."""
    fields = {"name": f"Program {next(_number)}", "scopes": ["email:manage"]} | fields
    return create_key(account, **fields)


def make_list(account: Account, **fields: Any) -> ContactList:
    """An empty list of the account."""
    number = next(_number)
    return ContactList.objects.create(
        account=account, **({"name": f"List {number}", "slug": f"list-{number}"} | fields)
    )


def make_landing_page(account: Account, **fields: Any) -> LandingPage:
    """An unsubscribe page of the account with the usual words."""
    return LandingPage.objects.create(account=account, **({"name": f"Page {next(_number)}"} | fields))


def make_contact(
    account: Account,
    email: str | None = None,
    *,
    lists: Sequence[ContactList] = (),
    state: str = SubscriptionState.SUBSCRIBED,
    **attributes: str,
) -> Contact:
    """A contact with these attributes, on these lists in this state."""
    address = addresses.parse(email or f"person{next(_number)}@example.com")
    contact = Contact.objects.create(
        account=account,
        email=address.normalized,
        address_key=tokens.address_key(address, account=account.public_id),
        domain=address.domain,
        attributes=attributes,
    )
    Subscription.objects.bulk_create(
        Subscription(contact=contact, list=entry, state=state, changed_at=timezone.now()) for entry in lists
    )
    return contact


def make_domain(account: Account, **fields: Any) -> Domain:
    """A verified sending domain; `verified_at=None` for one that is not."""
    fields = {"name": f"mail{next(_number)}.example.com", "verified_at": timezone.now()} | fields
    domain = Domain.objects.create(account=account, **fields)
    if domain.verified_at is not None:
        found = {"ok": True, "code": "dmarc.ok", "policy": "none", "found_at": domain.verified_at}
        DnsFinding.objects.create(domain=domain, record="dmarc", **found)
    return domain


def make_sender(account: Account, *, domain: Domain | None = None, **fields: Any) -> Sender:
    """A from-address at a verified domain of the account."""
    domain = domain or make_domain(account)
    return Sender.objects.create(
        account=account, domain=domain, **({"name": "The Editors", "email": f"news@{domain.name}"} | fields)
    )


def make_transport(account: Account, **fields: Any) -> Transport:
    """A second way out of the account, not the default."""
    return Transport.objects.create(
        account=account, **({"name": f"Transport {next(_number)}", "kind": "sandbox"} | fields)
    )


def make_template(account: Account, **fields: Any) -> EmailTemplate:
    """A template without versions."""
    return EmailTemplate.objects.create(account=account, **({"name": f"Template {next(_number)}"} | fields))


def make_version(owner: EmailTemplate | Account, **fields: Any) -> TemplateVersion:
    """The next version of a template (or of a new one of the account): marketing mail that passes the gate."""
    template = make_template(owner) if isinstance(owner, Account) else owner
    fields = {
        "subject": "News for {{ first_name }}",
        "source_kind": "html",
        "source": HTML,
        "variables": list(VARIABLES),
        "number": template.versions.count() + 1,
    } | fields
    version = TemplateVersion(template=template, **fields)
    version.digest = version.digest or draft_of(version).digest()
    version.save()
    return version


def make_campaign(account: Account, *, lists: Sequence[ContactList] = (), **fields: Any) -> Campaign:
    """A draft that is ready to send to these lists: content and sender are made when not given."""
    excluded = fields.pop("excluded_lists", ())
    fields = {"name": f"Campaign {next(_number)}"} | fields
    fields.setdefault("content", None)
    fields["content"] = fields["content"] or make_version(account)
    fields["sender"] = fields.get("sender") or make_sender(account)
    campaign = Campaign.objects.create(account=account, **fields)
    campaign.lists.set(lists)
    campaign.excluded_lists.set(excluded)
    return campaign
