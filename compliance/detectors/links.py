"""Addresses in a mail: they are forwarded, logged and prefetched, so nothing about a person belongs into them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from compliance.detectors.texts import VALUE, Link, normalise

_NAMES = frozenset({
    "ssn", "social", "dob", "birthdate", "birthday", "mrn", "patient", "patientid", "memberid", "member", "subscriber",
    "dx", "diagnosis", "icd", "rx", "claim", "email", "mail", "phone", "mobile", "firstname", "lastname", "fullname",
    "name", "zip", "address", "insurance", "policy",
})  # fmt: skip
_SHORTENERS = frozenset({
    "bit.ly", "t.co", "tinyurl.com", "goo.gl", "ow.ly", "is.gd", "buff.ly", "rebrand.ly", "cutt.ly", "t.ly", "rb.gy",
    "lnkd.in", "shorturl.at",
})  # fmt: skip
_NO_NETWORK = ("cid:", "mailto:", "tel:", "#", "data:")
_VALUE_HIT = re.compile(r"@|(?<![0-9])[0-9]{3}-?[0-9]{2}-?[0-9]{4}(?![0-9])")
_LONGEST = 2_000

Problem = tuple[str, str, str, str, str]
"""(rule id, level, what was found, sentence, what to do)."""


def find_in_links(links: Iterable[Link], *, hosts: frozenset[str]) -> Iterator[tuple[Link, Problem]]:
    """What is wrong with each address."""
    for link in links:
        for problem in _judge(link.url, hosts):
            yield link, problem


def _judge(url: str, hosts: frozenset[str]) -> Iterator[Problem]:
    plain = normalise(url).strip()
    if plain.lower().startswith(_NO_NETWORK) or plain == VALUE or not plain:
        return
    try:
        parts = urlsplit(plain[:_LONGEST])
        host = (parts.hostname or "").lower()
        query = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        yield _problem("link.malformed", "warn", plain, "This address is no address.", "Correct the link.")
        return
    yield from _judge_host(parts.scheme, host, hosts, plain)
    for name, value in query:
        yield from _judge_parameter(name, value)
    for piece in unquote(parts.path).split("/"):
        if _carries(piece):
            yield _carried(piece)
    if VALUE in host:
        yield _problem("link.host", "block", plain, "The host of this link depends on a value.", "Write the host out.")


def _judge_host(scheme: str, host: str, hosts: frozenset[str], url: str) -> Iterator[Problem]:
    if not host:
        return
    if host in _SHORTENERS:
        yield _problem(
            "link.shortener", "block", url, "A link shortener learns who opened the mail.", "Link to the page itself."
        )
    elif hosts and host not in hosts and VALUE not in host:
        yield _problem(
            "link.host", "warn", url, "This link leads to a host that is not on the account's list.",
            "Have the host added to the list, or link elsewhere.",
        )  # fmt: skip
    if scheme == "http":
        yield _problem("link.not-https", "warn", url, "This link is not encrypted.", "Write https.")


def _judge_parameter(name: str, value: str) -> Iterator[Problem]:
    if re.sub(r"[^a-z]", "", name.lower()) in _NAMES:
        yield _problem(
            "link.parameter-name", "block", name, "A parameter of this link names personal data.",
            "Take it out: whoever forwards the mail passes it on, and every server on the way logs it.",
        )  # fmt: skip
    elif _carries(value):
        yield _carried(value)


def _carries(text: str) -> bool:
    return any(_VALUE_HIT.search(spelling) for spelling in _spellings(text))


def _spellings(text: str) -> Iterator[str]:
    """The text, once more decoded, and out of base64 when it is that."""
    yield text
    yield unquote(text)
    if len(text) >= 8 and re.fullmatch(r"[A-Za-z0-9+/_-]{8,400}={0,2}", text):
        try:
            yield base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_").decode("ascii")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return


def _carried(text: str) -> Problem:
    return _problem(
        "link.value", "block", text, "This link carries an e-mail address or a number of a person.",
        "Take it out, or use an opaque reference.",
    )  # fmt: skip


def _problem(rule_id: str, level: str, text: str, message: str, action: str) -> Problem:
    return rule_id, level, text[:_LONGEST], message, action
