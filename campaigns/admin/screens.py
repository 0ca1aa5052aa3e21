"""Every screen, in one place: importing this module registers them all."""

from campaigns.admin import (
    accounts,
    api_keys,
    bounce_mailboxes,
    campaigns,
    contacts,
    domains,
    imports,
    inbound_routes,
    inbox,
    kept_mails,
    landing_pages,
    lists,
    mailbox,
    pools,
    suppressions,
    templates,
    transports,
    users,
    webhooks,
)

__all__ = [
    "accounts", "api_keys", "bounce_mailboxes", "campaigns", "contacts", "domains", "imports", "inbound_routes", "inbox",
    "kept_mails", "landing_pages", "lists", "mailbox", "pools", "suppressions", "templates", "transports", "users", "webhooks",
]  # fmt: skip
