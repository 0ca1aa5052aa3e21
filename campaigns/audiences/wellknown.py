"""What many addresses have in common: mailbox providers, domains to throw away, names of offices. Our own selection. Pure."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

# Large providers, the likelier one first: what a mistyped domain probably meant.
_PROVIDERS = (
    "gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "aol.com", "live.com", "msn.com",
    "googlemail.com", "protonmail.com", "comcast.net", "verizon.net", "sbcglobal.net", "bellsouth.net", "btinternet.com",
    "yahoo.co.uk", "hotmail.co.uk", "yahoo.fr", "hotmail.fr", "orange.fr", "wanadoo.fr", "laposte.net", "gmx.de",
    "gmx.net", "web.de", "t-online.de", "freenet.de", "libero.it", "virgilio.it", "hotmail.it", "yahoo.it", "seznam.cz",
    "mail.ru", "yandex.ru", "rambler.ru", "yahoo.co.in", "rediffmail.com", "yahoo.com.br", "hotmail.es", "ziggo.nl",
)  # fmt: skip
# Close to one of those, and real all the same.
_REAL = frozenset({
    "mail.com", "email.com", "ymail.com", "gmx.com", "gmx.at", "gmx.ch", "gmx.us", "gmx.fr", "me.com", "mac.com", "aim.com",
    "usa.com", "ya.ru", "bk.ru", "list.ru", "hey.com", "pm.me", "proton.me", "free.fr", "sfr.fr", "wp.pl", "o2.pl", "op.pl",
    "one.lt", "inbox.lv", "mail.ee", "qq.com", "163.com", "126.com", "tin.it", "alice.it", "hotmail.de", "live.de",
})  # fmt: skip
# Brands with an address space in nearly every country.
_EVERYWHERE = re.compile(r"(?:yahoo|hotmail|outlook|live|gmx|yandex)\.(?:com|[a-z]{2}|com?\.[a-z]{2}|com\.[a-z]{2})")
_SHORTEST_TYPO = 6
# Mailboxes of an office, read by whoever works there (RFC 2142, and what is usual beside it).
_ROLES = frozenset({
    "abuse", "account", "accounting", "accounts", "admin", "administrator", "all", "billing", "booking", "bookings",
    "buchhaltung", "career", "careers", "compliance", "contact", "contacto", "customerservice", "dns", "donotreply",
    "editor", "enquiries", "enquiry", "everyone", "feedback", "finance", "ftp", "hello", "help", "helpdesk", "hostmaster",
    "hr", "info", "information", "inquiries", "invoice", "invoices", "it", "jobs", "kontakt", "legal", "list", "mail",
    "mailerdaemon", "mailer-daemon", "marketing", "media", "news", "newsletter", "no-reply", "noc", "noreply", "office",
    "order", "orders", "payments", "personal", "postmaster", "pr", "press", "privacy", "recruiting", "reception",
    "registrar", "reply", "root", "sales", "security", "service", "shop", "spam", "staff", "subscribe", "support",
    "sysadmin", "team", "tech", "technik", "unsubscribe", "usenet", "uucp", "verkauf", "webmaster", "welcome", "www",
})  # fmt: skip


def is_disposable(domain: str) -> bool:
    """Whether mailboxes of the A-label domain, or of one above it, are thrown away."""
    labels = domain.split(".")
    return any(".".join(labels[at:]) in _disposable() for at in range(len(labels) - 1))


def is_role(local: str) -> bool:
    """Whether the part before the @ names an office rather than a person; what follows a `+` does not count."""
    return local.partition("+")[0].casefold() in _ROLES


def suggest_domain(domain: str, *, is_dead: bool) -> str:
    """The provider that a mistyped A-label domain probably meant; "" for none.

    One slip is taken for a typo, two only in a domain that takes no mail.
    """
    if domain in _PROVIDERS or domain in _REAL or _EVERYWHERE.fullmatch(domain) or len(domain) < _SHORTEST_TYPO:
        return ""
    found = [
        (slips, place) for place, known in enumerate(_PROVIDERS) if (slips := _slips(domain, known)) <= 1 + is_dead
    ]
    return _PROVIDERS[min(found)[1]] if found else ""


@cache
def _disposable() -> frozenset[str]:
    text = Path(__file__).with_name("disposable-domains.txt").read_text("ascii")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _slips(one: str, other: str) -> int:
    """How many letters were left out, added, changed, or swapped with their neighbour (optimal string alignment)."""
    if abs(len(one) - len(other)) > 2:
        return 3
    above: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, above, row = above, row, [i]
        for j, counterpart in enumerate(other, 1):
            best = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != counterpart))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == counterpart:
                best = min(best, before[j - 2] + 1)
            row.append(best)
    return row[-1]
