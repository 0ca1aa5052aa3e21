"""How mail leaves from a domain: where bounces go, how fast, and how a new domain is warmed up."""

from __future__ import annotations

import math
import re
from datetime import date

from campaigns import addresses
from campaigns.domains import expected
from campaigns.domains.organisations import is_one_organisation, registered_domain
from campaigns.domains.spf import read_term
from campaigns.errors import AddressError, CampaignError
from campaigns.models import Domain

# The address of each mail adds `+` and 40 characters; 64 is the most before the @ (RFC 5321 §4.5.3.1.1).
_LOCAL_LENGTH = 23
# More would rarely leave room for anything else among the ten look-ups of SPF.
_MOST_TERMS = 8


def change_sending(
    domain: Domain, *, return_path: str, max_per_second: float | None, warmup_started_on: date | None
) -> None:
    """Store all three; an empty return path means the From address, no rate no limit, no date no warm-up.

    Raises AddressError, CampaignError `domain.return-path-other`, `domain.return-path-ascii`,
    `domain.return-path-long` or `domain.rate-invalid`.
    """
    checked = _read_return_path(domain, return_path)
    if max_per_second is not None and not (max_per_second > 0 and math.isfinite(max_per_second)):
        raise CampaignError(
            "domain.rate-invalid", "A rate is more than 0 messages per second.", action="Leave it empty for no limit."
        )
    _move_return_path(domain, checked)
    domain.max_per_second, domain.warmup_started_on = max_per_second, warmup_started_on
    domain.save(update_fields=["return_path", "max_per_second", "warmup_started_on"])


def change_return_path(domain: Domain, *, address: str) -> None:
    """Where bounces go from now on; empty means the From address. Raises what change_sending raises for it."""
    _move_return_path(domain, _read_return_path(domain, address))
    domain.save(update_fields=["return_path"])


def change_tracking(
    domain: Domain, *, opens: bool | None = None, clicks: bool | None = None, unsubscribes: bool | None = None
) -> None:
    """What the domain's mail may be followed by; None leaves a switch as it is."""
    wanted = {"track_opens": opens, "track_clicks": clicks, "track_unsubscribes": unsubscribes}
    changes = {name: value for name, value in wanted.items() if value is not None}
    for name, value in changes.items():
        setattr(domain, name, value)
    domain.save(update_fields=[*changes])


def _read_return_path(domain: Domain, text: str) -> str:
    return _check_return_path(domain, text) if text.strip() else ""


def _move_return_path(domain: Domain, checked: str) -> None:
    _forget(domain, expected.SPF, expected.RETURN_MX, changed=domain.return_path != checked)
    domain.return_path = checked


def _check_return_path(domain: Domain, text: str) -> str:
    address = addresses.parse(text)
    if not is_one_organisation(address.domain, domain.name):
        raise CampaignError(
            "domain.return-path-other",
            "Bounces must go to an address at this domain, or at one above, below or beside it: "
            "otherwise SPF does not speak for your From address.",
            action="Use an address such as bounces@ this domain.",
        )
    if address.needs_smtputf8:
        raise CampaignError(
            "domain.return-path-ascii", "The part before the @ must be ASCII.", action="Use plain letters and digits."
        )
    if len(address.local) > _LOCAL_LENGTH:
        raise CampaignError(
            "domain.return-path-long",
            f"The part before the @ has at most {_LOCAL_LENGTH} characters: each mail adds a mark of its own.",
            action="Use a shorter one, such as bounces.",
        )
    return address.mailbox


def change_names(domain: Domain, *, tracking_host: str, spf_terms: str, reports_to: str) -> None:
    """Store all three; empty means no host of its own, and what the installation says for the other two.

    Raises CampaignError `domain.tracking-host-other`, `domain.spf-terms-invalid` or `domain.reports-to-odd`.
    """
    host = _check_tracking_host(domain, tracking_host) if tracking_host.strip() else ""
    terms = _check_terms(spf_terms)
    reports_to = _check_reports_to(reports_to) if reports_to.strip() else ""
    _forget(domain, expected.TRACKING, changed=domain.tracking_host != host)
    _forget(domain, expected.SPF, changed=domain.spf_terms != terms)
    domain.tracking_host, domain.spf_terms, domain.reports_to = host, terms, reports_to
    domain.save(update_fields=["tracking_host", "spf_terms", "reports_to"])


def _forget(domain: Domain, *records: str, changed: bool) -> None:
    """What was found for another name says nothing any more; the next look finds out."""
    if changed:
        domain.findings.filter(record__in=records).delete()


def _check_tracking_host(domain: Domain, text: str) -> str:
    try:
        host = addresses.ascii_domain(text)
    except AddressError:
        host = ""
    # A CNAME stands alone at its name (RFC 1034 §3.6.2), so neither the domain nor its bounces can share it.
    taken = {domain.name, registered_domain(domain.name), domain.return_path.rpartition("@")[2]}
    if not host or host in taken or not is_one_organisation(host, domain.name):
        raise CampaignError(
            "domain.tracking-host-other",
            "The host of links is a name of its own below your domain: readers and mailboxes look at it.",
            action="Use one such as click. and this domain.",
        )
    return host


def _check_terms(text: str) -> str:
    words = text.replace(",", " ").split()
    terms = [read_term(word) for word in words]
    known = all(term and term.passes and term.name in {"include", "a", "ip4", "ip6"} and term.value for term in terms)
    if not known or len(words) > _MOST_TERMS or any(term and term.has_macro for term in terms):
        raise CampaignError(
            "domain.spf-terms-invalid",
            "Write what your provider says SPF must allow, without v=spf1 and without all.",
            action="Such as include:spf.example.net or ip4:192.0.2.10.",
        )
    return " ".join(words)


def _check_reports_to(text: str) -> str:
    try:
        mailbox = addresses.parse(text).mailbox
    except AddressError:
        mailbox = ""
    # It becomes a mailto: address in a list of tags, where other signs would have to be written as numbers.
    if not re.fullmatch(r"[A-Za-z0-9._+=-]+@[A-Za-z0-9.-]+", mailbox):
        raise CampaignError(
            "domain.reports-to-odd",
            "This is no address of plain letters.",
            action="Use one such as dmarc@ your domain.",
        )
    return mailbox
