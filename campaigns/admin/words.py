"""What things are called on the screens: marketers' words, one place."""

from __future__ import annotations

from datetime import datetime

from django.db.models.options import Options
from django.utils import timezone

_WORDS = {
    "account": ("account", "accounts"),
    "activityreview": ("weekly review", "weekly reviews"),
    "apikey": ("API key", "API keys"),
    "approval": ("approval", "approvals"),
    "authorization": ("authorization", "authorizations"),
    "auditevent": ("event", "events"),
    "baa": ("agreement", "agreements"),
    "bouncemailbox": ("bounce mailbox", "bounce mailboxes"),
    "campaign": ("campaign", "campaigns"),
    "contact": ("person", "contacts"),
    "contactlist": ("list", "lists"),
    "domain": ("domain", "domains"),
    "emailtemplate": ("template", "templates"),
    "emergencyaccess": ("emergency access", "emergency access"),
    "event": ("event", "events"),
    "hipaasend": ("HIPAA send", "HIPAA sends"),
    "incident": ("incident", "incidents"),
    "importjob": ("import", "imports"),
    "importrowerror": ("rejected row", "rejected rows"),
    "keptmail": ("stored mail", "stored mails"),
    "message": ("mail in the record", "mails in the record"),
    "mailboxmail": ("mail read before", "mails read before"),
    "detectorhit": ("hit of the check", "hits of the check"),
    "sendprotocol": ("send protocol", "send protocols"),
    "selfcheck": ("self-check", "self-checks"),
    "shredcertificate": ("certificate", "certificates"),
    "sandboxmail": ("mail in the sandbox", "mails in the sandbox"),
    "sender": ("sender", "senders"),
    "softbounce": ("count of returned mail", "counts of returned mail"),
    "stop": ("emergency stop", "emergency stops"),
    "submission": ("send", "sends"),
    "subscription": ("place on a list", "places on a list"),
    "suppression": ("do-not-email entry", "do-not-email entries"),
    "templateversion": ("version", "versions"),
    "transport": ("way to send", "ways to send"),
    "webhookendpoint": ("webhook", "webhooks"),
    "webhookdelivery": ("call of a webhook", "calls of webhooks"),
    "user": ("person with access", "people with access"),
    "disclosure": ("disclosure", "disclosures"),
    "dkimkey": ("signature key", "signature keys"),
    "dnsfinding": ("DNS result", "DNS results"),
    "domainreport": ("report", "reports"),
    "dmarccount": ("line of a report", "lines of reports"),
    "tlscount": ("line of a report", "lines of reports"),
    "trial": ("request of the test console", "requests of the test console"),
    "membership": ("role of a person", "roles of people"),
}


_TITLES = {
    "auditevent": "Audit trail",
    "detectorhit": "The check of content",
    "keptmail": "Stored mail",
    "shredcertificate": "What is kept",
    "sandboxmail": "Sandbox mailbox",
    "suppression": "Do not email",
}


def word(opts: Options, *, count: int = 2) -> str:  # type: ignore[type-arg]
    """The word for one or several of a table's rows."""
    singular, plural = _WORDS.get(opts.model_name or "", (str(opts.verbose_name), str(opts.verbose_name_plural)))
    return singular if count == 1 else plural


def screen_name(opts: Options) -> str:  # type: ignore[type-arg]
    """The title of a table's screen, the same on the page, in its crumbs and in the navigation."""
    many = _TITLES.get(opts.model_name or "") or word(opts)
    return many[:1].upper() + many[1:]


def show_time(moment: datetime | None) -> str:
    """A moment in the zone of the page, such as 23 Nov 2026, 14:05; a dash for none."""
    return f"{timezone.localtime(moment):%-d %b %Y, %H:%M}" if moment else "–"
