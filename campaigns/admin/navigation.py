"""The navigation beside every screen: marketers' words in a marketer's order."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from campaigns.admin.eligibility import is_shown
from campaigns.models import (
    Account,
    ApiKey,
    BounceMailbox,
    Campaign,
    Contact,
    ContactList,
    Domain,
    EmailTemplate,
    HipaaSend,
    ImportJob,
    InboundMail,
    InboundRoute,
    KeptMail,
    LandingPage,
    SandboxMail,
    Sender,
    Suppression,
    Transport,
    TransportPool,
    WebhookEndpoint,
)
from compliance.models import (
    ActivityReview,
    Approval,
    AuditEvent,
    Authorization,
    Baa,
    DetectorHit,
    Disclosure,
    EmergencyAccess,
    Incident,
    SelfCheck,
    SendProtocol,
    ShredCertificate,
    Stop,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One link; `current` marks the screen the person is on, `icon` is an SVG path on a 24 px grid."""

    label: str
    url: str
    icon: str
    current: bool


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    items: tuple[Item, ...]


_HOME_ICON = "M4 11.5 12 5l8 6.5V20h-5.5v-5h-5v5H4z"
# A label, the table whose screen it is, and an icon; the view of that screen where it is not its list.
_GROUPS: tuple[tuple[str, tuple[tuple[str, type[Model], str] | tuple[str, type[Model], str, str], ...]], ...] = (
    (
        "Write and send",
        (
            ("Campaigns", Campaign, "m3 11 18-7-7 18-3-8zM11 14l4-4"),
            ("Templates", EmailTemplate, "M4 5h16v14H4zM4 10h16M10 10v9"),
            ("Unsubscribe pages", LandingPage, "M4 5h16v14H4zM4 9h16M14 14h4m0 0-2-2m2 2-2 2M7 13h4M7 16h3"),
        ),
    ),
    (
        "Protected mail",
        (
            ("HIPAA sends", HipaaSend, "M12 3l7.5 3v5.5c0 4.5-3 7.8-7.5 9.5-4.5-1.7-7.5-5-7.5-9.5V6zM9 12l2.2 2.2L15.5 10"),
            ("Approvals", Approval, "M4 5h16v14H4zM8 12l2.5 2.5L16 9"),
            ("Authorizations", Authorization, "M6 3h9l4 4v14H6zM14 3v5h5M9 13h7M9 17h4"),
            ("Emergency stop", Stop, "M8.5 3h7L21 8.5v7L15.5 21h-7L3 15.5v-7zM8.5 12h7"),
        ),
    ),
    (
        "Compliance",
        (
            ("Agreements", Baa, "M6 3h9l4 4v14H6zM15 3v4h4M9 12h6M9 16h4"),
            ("Send protocols", SendProtocol, "M4 12a8 8 0 0 1 13.7-5.6L20 9M20 4v5h-5M20 12a8 8 0 0 1-13.7 5.6L4 15M4 20v-5h5"),
            ("Audit trail", AuditEvent, "M5 4h14v16H5zM8.5 9h7M8.5 13h7M8.5 17h4"),
            ("Weekly reviews", ActivityReview, "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4M9 15l2 2 4-4"),
            ("Emergency access", EmergencyAccess, "M12 3 4 6v6c0 4.5 3.4 7.6 8 9 4.6-1.4 8-4.5 8-9V6zM12 8v5M12 16h.01"),
            ("Incidents", Incident, "M12 4 2.5 20h19zM12 10v4.5M12 17h.01"),
            ("Disclosures", Disclosure, "M4 12h11m0 0-4-4m4 4-4 4M15 4h5v16h-5"),
            ("The check of content", DetectorHit, "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 20 20M8 10.5l2 2 3.5-4"),
            ("Self-checks", SelfCheck, "M12 3l7.5 3v5.5c0 4.5-3 7.8-7.5 9.5-4.5-1.7-7.5-5-7.5-9.5V6zM8.5 11.5l2.5 2.5 4.5-5"),
            ("What is kept", ShredCertificate, "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3.5 2"),
        ),
    ),
    (
        "People",
        (
            ("Lists", ContactList, "M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01"),
            ("Contacts", Contact, "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20a7.5 7.5 0 0 1 15 0"),
            ("Imports", ImportJob, "M12 4v11m0 0 4-4m-4 4-4-4M4 17v3h16v-3"),
            ("Do not email", Suppression, "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM5.7 5.7l12.6 12.6"),
        ),
    ),
    (
        "Mail that comes in",
        (
            ("Inbox", InboundMail, "M4 13 6.5 5h11L20 13v6H4zm0 0h5l1.5 2.5h3L15 13h5M12 6v5m0 0 2-2m-2 2-2-2"),
            ("Inbound addresses", InboundRoute, "M12 15.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zm3.5-3.5v1.5a2.2 2.2 0 0 0 4.4 0V12a7.9 7.9 0 1 0-3.2 6.4"),
        ),
    ),
    (
        "Delivery",
        (
            ("Domains", Domain, "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c5 5.5 5 12.5 0 18-5-5.5-5-12.5 0-18"),
            ("Senders", Sender, "M4 6h16v12H4zm0 1 8 6 8-6"),
            ("Ways to send", Transport, "M4 7h13m0 0-3-3m3 3-3 3M20 17H7m0 0 3-3m-3 3 3 3"),
            ("Pools", TransportPool, "M4 5h16v4H4zM4 15h16v4H4zM12 9v6m0 0-2-2m2 2 2-2"),
            ("Bounce mailboxes", BounceMailbox, "M4 6h16v12H4zm0 1 8 6 8-6M9 21l-3-2 3-2"),
            ("Stored mail", KeptMail, "M4 4h16v5H4zM6 9v11h12V9M10 13h4"),
            ("Sandbox mailbox", SandboxMail, "M4 13 6.5 5h11L20 13v6H4zm0 0h5l1.5 2.5h3L15 13h5"),
        ),
    ),
    (
        "Settings",
        (
            ("API keys", ApiKey, "M8 20a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM11.2 12.3 20 3.5M16.5 7l2.5 2.5M13.5 10l1.8 1.8"),
            ("Test console", ApiKey, "M4 5h16v14H4zM7.5 9.5 10 12l-2.5 2.5M12.5 14.5H16", "console"),
            ("Webhooks", WebhookEndpoint, "M12 8.5a3.5 3.5 0 1 0-3.4-4.3M12 8.5l-4 7M7 20a3 3 0 1 0 0-6M17 20a3 3 0 1 0-2.6-4.5L10 8M7 17h7"),
            ("Accounts", Account, "M5 20V6l7-3 7 3v14M9 9h.01M15 9h.01M9 13h.01M15 13h.01M10 20v-3h4v3M3 20h18"),
            ("People with access", User, "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6M18 14a6.5 6.5 0 0 1 3.5 6"),
        ),
    ),
)  # fmt: skip


def build_navigation(site: AdminSite, request: HttpRequest) -> tuple[Group, ...]:
    """The groups of screens this person may see, without empty groups."""
    home = reverse("admin:index")
    found = [
        (title, [_link(*entry) for entry in entries if _may_see(site, request, *entry)]) for title, entries in _GROUPS
    ]
    # Of screens below each other the person is on the deepest.
    here = max(
        (link.url for _, links in found for link in links if request.path.startswith(link.url)), key=len, default=""
    )
    groups = [Group("", (Item("Home", home, _HOME_ICON, request.path == home),))]
    for title, links in found:
        if links:
            groups.append(Group(title, tuple(replace(link, current=link.url == here) for link in links)))
    return tuple(groups)


def _may_see(site: AdminSite, request: HttpRequest, _: str, model: type[Model], __: str, view: str = "") -> bool:
    if not site.is_registered(model) or not is_shown(request, model):
        return False
    screen = site.get_model_admin(model)
    return screen.has_add_permission(request) if view else screen.has_view_permission(request)


def _link(label: str, model: type[Model], icon: str, view: str = "changelist") -> Item:
    return Item(label, reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}"), icon, current=False)
