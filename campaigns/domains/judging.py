"""What is wrong with proof of ownership or a key in DNS, named so that a person can put it right (DK-05). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from campaigns.domains.lookup import Answer

_LOOKS_LIKE_KEY = re.compile(r"v\s*=\s*DKIM1|(?:^|[;\s\"\\])p\s*=", re.IGNORECASE)
# What editors and copied zone files leave in a value; none of it belongs to a DKIM record.
PASTE_DAMAGE = re.compile(r"[\"\\“”„]|[^\t -~]")
_BLANKS = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class Judgement:
    """ok or not, with a stable code and a sentence; a good record can still carry a hint.

    `seen` is what is published, `fix` the whole corrected value where it is not simply the expected one, `fix_host`
    the place of the fix where that is another than the record's, `policy` the DMARC policy that applies.
    """

    ok: bool
    code: str
    text: str
    seen: str = ""
    fix: str = ""
    fix_host: str = ""
    policy: str = ""


TEMPORARY = Judgement(
    False, "dns.temporary-error", "DNS did not answer. What was known before stands; try again later."
)


def judge_ownership(answer: Answer, *, value: str) -> Judgement:
    """Whether value is among the texts; records of others beside it do no harm."""
    name = f"{value.partition('=')[0]}="
    seen = "\n".join(text for text in answer.values if name in _strip_paste(text))
    if value in answer.values:
        return Judgement(True, "ownership.ok", "The domain is yours.")
    if value in {_strip_paste(text) for text in answer.values}:
        return Judgement(
            False,
            "ownership.damaged",
            "The record has quotation marks, blanks or line breaks in it. Paste it again.",
            seen,
        )
    if seen:
        return Judgement(
            False,
            "ownership.wrong-token",
            "The record proves another account's ownership. Publish the value shown here.",
            seen,
        )
    return Judgement(False, "ownership.missing", say_missing("The record that proves ownership", answer))


def judge_dkim(
    answer: Answer, *, algorithm: str, public_key: str, former: Mapping[str, str] | None = None
) -> Judgement:
    """Whether exactly one key record is published and it is ours (RFC 6376 §3.6.1, §3.6.2.2).

    `former` maps the domain's other public keys to their selectors, so that a mix-up is named.
    """
    if not answer.values:
        return Judgement(False, "dkim.missing", say_missing("The DKIM record", answer))
    records = [text for text in answer.values if _LOOKS_LIKE_KEY.search(text)]
    seen = "\n".join(records or answer.values)
    if not records:
        return Judgement(
            False, "dkim.not-a-key", "There is a TXT record at this name, but it is not a DKIM key. Publish ours.", seen
        )
    if len(records) > 1:
        return Judgement(
            False,
            "dkim.several-records",
            "There are several DKIM records at this name. Keep only the one shown here.",
            seen,
        )
    found = _judge_record(records[0], algorithm=algorithm, public_key=public_key)
    if found.code == "dkim.wrong-key":
        found = _name_former(found, records[0], former or {})
    return replace(found, seen="" if found.code == "dkim.ok" else seen)


def _name_former(found: Judgement, text: str, former: Mapping[str, str]) -> Judgement:
    published = _BLANKS.sub("", (read_tags(text) or {}).get("p", ""))
    if published not in former:
        return found
    return Judgement(
        False,
        "dkim.other-selector",
        f"This is the domain's key of the selector {former[published]}. Each key has a record of its own: publish the "
        "value shown here.",
    )


def _judge_record(text: str, *, algorithm: str, public_key: str) -> Judgement:
    if PASTE_DAMAGE.search(text):
        return Judgement(
            False,
            "dkim.damaged",
            "The record has quotation marks, backslashes or line breaks inside its value. Paste it again without them.",
        )
    tags = read_tags(text)
    if tags is None or "p" not in tags:
        return Judgement(False, "dkim.malformed", "The record is not a readable list of tags with a key in p=.")
    return _judge_restrictions(tags, algorithm) or _judge_key(tags, public_key)


def _judge_restrictions(tags: dict[str, str], algorithm: str) -> Judgement | None:
    if not tags["p"]:
        return Judgement(
            False, "dkim.revoked", "The record revokes the key: its p= is empty. Publish the value shown here."
        )
    if tags.get("k", "rsa").lower() != algorithm:
        return Judgement(False, "dkim.wrong-algorithm", "The record is for a key of another type. Publish ours.")
    if "h" in tags and "sha256" not in _list(tags["h"]):
        return Judgement(False, "dkim.hash-refused", "The record does not allow SHA-256. Remove its h= tag.")
    if "s" in tags and not {"*", "email"} & _list(tags["s"]):
        return Judgement(False, "dkim.not-for-email", "The record's s= tag excludes email. Remove it.")
    return None


def _judge_key(tags: dict[str, str], public_key: str) -> Judgement:
    published = _BLANKS.sub("", tags["p"])
    if published != public_key:
        if public_key.startswith(published):
            return Judgement(
                False, "dkim.cut-off", "The key is cut off. Split long values into strings of at most 255 characters."
            )
        return Judgement(
            False, "dkim.wrong-key", "The record holds another key than ours. Publish the value shown here."
        )
    if published != tags["p"]:
        # RFC 6376 §3.6.1 allows blanks inside p=, so receivers accept it; some checkers do not.
        return Judgement(
            True, "dkim.blanks", "The key is ours, with blanks inside it. It works; paste it again without them."
        )
    if "y" in _list(tags.get("t", "")):
        return Judgement(True, "dkim.testing", "The key is ours, marked as a test. Remove t=y when you are ready.")
    return Judgement(True, "dkim.ok", "The key is published.")


def read_tags(text: str) -> dict[str, str] | None:
    """The tags of RFC 6376 §3.2, or None when a part is no tag, a tag repeats, or v= is not first and DKIM1."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, sign, value = part.partition("=")
        name = name.strip()
        if not sign or not name or name in tags:
            return None
        tags[name] = value.strip()
    return tags if "v" not in tags or next(iter(tags.items())) == ("v", "DKIM1") else None


def _list(value: str) -> set[str]:
    return {item.strip().lower() for item in value.split(":")}


def _strip_paste(text: str) -> str:
    return re.sub(r"\s+", "", PASTE_DAMAGE.sub("", text))


def say_missing(record: str, answer: Answer) -> str:
    """The sentence for a record that is not there."""
    if answer.is_alias:
        return f"{record} is missing: the CNAME at this name leads to nothing."
    return f"{record} is not published, or not visible yet. New records can take some hours."
