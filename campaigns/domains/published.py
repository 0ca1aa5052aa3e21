"""What the last look at DNS found of a domain's DMARC record, for those who must not send without one."""

from __future__ import annotations

from campaigns.domains.expected import DMARC
from campaigns.models import DnsFinding, Domain


def find_dmarc_fault(domain: Domain) -> str | None:
    """What is wrong with it and what would be right, as sentences; "" when it is in place, None when nobody looked.

    An answer DNS did not give leaves what was known before. The value leaves out where reports go: it may be told to programs.
    """
    found = DnsFinding.objects.filter(domain=domain, record=DMARC).first()
    if found is None:
        return None
    if found.ok:
        return ""
    value = "; ".join(part for part in found.fix.split("; ") if "@" not in part)
    host = found.fix_host or f"_dmarc.{domain.name}"
    return f"{found.text} Publish “{value or 'v=DMARC1; p=none'}” at {host}."
