"""A record that is missing where it belongs: did it land elsewhere, and does a wildcard answer in its place?"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import replace

from campaigns.domains.judging import Judgement
from campaigns.domains.lookup import Dns


def explain_missing(
    judgement: Judgement, *, host: str, domain: str, dns: Dns, is_it: Callable[[str], bool]
) -> Judgement:
    """The same verdict, with the place the record was put instead; `is_it` knows its text, however pasted."""
    found = next((place for place in _wrong_places(host, domain) if _is_at(place, dns, is_it)), "")
    if found:
        area = judgement.code.partition(".")[0]
        return replace(
            judgement,
            code=f"{area}.misplaced",
            text=f"The record stands at {found}, where nobody looks. {_say_host(host, domain, found)}",
            fix_host=host,
        )
    if _has_wildcard(host, dns):
        above = host.partition(".")[2]
        return replace(
            judgement,
            text=f"{judgement.text} What answers there is a wildcard record (*.{above}); a record at the exact name goes "
            "before it.",
        )
    return judgement


def _wrong_places(host: str, domain: str) -> list[str]:
    # Most DNS providers add the domain to whatever is typed; or the part before it was left out.
    return [f"{host}.{domain}", domain]


def _is_at(place: str, dns: Dns, is_it: Callable[[str], bool]) -> bool:
    return any(is_it(re.sub(r"[\s\"\\]", "", text)) for text in dns.texts(place).values)


def _say_host(host: str, domain: str, found: str) -> str:
    short = host.removesuffix(f".{domain}")
    if found == domain:
        return f"Its host is {host}; many providers want only {short} there."
    return f"Your provider adds the domain by itself: as the host type only {short}."


def _has_wildcard(host: str, dns: Dns) -> bool:
    """Whether a name nobody made answers with the same texts."""
    answer = dns.texts(host)
    if not answer.values:
        return False
    above = host.partition(".")[2]
    return set(dns.texts(f"{secrets.token_hex(8)}.{above}").values) == set(answer.values)
