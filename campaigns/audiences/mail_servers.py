"""Does a domain take mail? Asks DNS by a resolver the caller brings; no mail server is ever talked to."""

from __future__ import annotations

from enum import Enum

import dns.exception
import dns.name
import dns.resolver


class Reach(Enum):
    """What DNS says about mail to a domain."""

    TAKES_MAIL = "takes-mail"
    REFUSES_MAIL = "refuses-mail"
    NO_ANSWER = "no-answer"


def ask_reach(domain: str, *, resolver: dns.resolver.Resolver) -> Reach:
    """Whether the A-label domain has a mail server, or an address that stands in for one (RFC 5321 §5.1).

    A null MX (RFC 7505), and a domain that does not exist, refuse mail; a timeout or a failure is no answer.
    """
    try:
        answer = resolver.resolve(domain, "MX", search=False, raise_on_no_answer=False)
        if answer.rrset is not None:
            servers = [row.exchange for row in answer.rrset]
            return Reach.TAKES_MAIL if any(server != dns.name.root for server in servers) else Reach.REFUSES_MAIL
        return _ask_address(domain, resolver)
    except dns.resolver.NXDOMAIN:
        return Reach.REFUSES_MAIL
    except dns.exception.DNSException:
        return Reach.NO_ANSWER


def _ask_address(domain: str, resolver: dns.resolver.Resolver) -> Reach:
    for kind in ("A", "AAAA"):
        if resolver.resolve(domain, kind, search=False, raise_on_no_answer=False).rrset is not None:
            return Reach.TAKES_MAIL
    return Reach.REFUSES_MAIL
