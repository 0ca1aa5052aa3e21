"""Every screen, in one place: importing this module registers them all."""

from campaigns.admin import (
    accounts,
    api_keys,
    campaigns,
    contacts,
    domains,
    imports,
    lists,
    mailbox,
    suppressions,
    templates,
    transports,
    users,
)

__all__ = [
    "accounts", "api_keys", "campaigns", "contacts", "domains", "imports", "lists", "mailbox", "suppressions", "templates",
    "transports", "users",
]  # fmt: skip
