"""Notices for people: whom they are about and what they say of each, out of free text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from campaigns.inbound import words

LONGEST = 40_000  # characters of a notice that are looked at
MOST_RECIPIENTS = 50

# Punctuation of Chinese and Japanese, which stands in no address.
_WIDE = r"\u3000-\u3020\uff01-\uff0f\uff1a-\uff1f\uff3b-\uff3d\uff5b-\uff65"
_NONE = rf"\s<>()\[\]{{}}\"',;:|=&@\\{_WIDE}"
ADDRESS = rf"(?:\"[^\"\n\\@]{{1,64}}\"|[^{_NONE}]{{1,64}})@(?:[^{_NONE}/?!]{{1,200}})"
# Words of these languages stand at addresses without a blank.
_LETTERS = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORDS_BEFORE = re.compile(rf"^[{_LETTERS}]+(?=[A-Za-z0-9])")
_WORDS_BEHIND = re.compile(rf"(\.[A-Za-z]{{2,24}})[{_LETTERS}].*$")
_ADDRESS = re.compile(ADDRESS)
# What a notice puts before a recipient, the surest first. The first shape that names anybody is the one of the notice.
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern.replace("ADDR", ADDRESS), re.MULTILINE | re.IGNORECASE))
    for name, pattern in (
        # <ann@example.com>: reason
        ("colon", r"^(?:[ \t>*-]{0,8}|(?![ \t]{0,40}[45]\d\d[ -])[^\n<>]{1,80} )<(ADDR)>:"),
        # Recipient: <ann@example.com>, or the like
        ("named", r"(?:(?:recipient(?:'s)?(?: e?-?mail)?(?: address)?(?:\(s\))?|original-recipient|final-recipient|addressed to|address)[ \t]{0,4}:|unknown user|invalid final delivery userid|undeliverable to|delivery to|delivered to|delivering (?:your|this) (?:mail|message|e-?mail) to|returned permanent errors|failed recipients?|mailing list|destinataire|destinatario|empfänger)[ \t]{0,4}[:;]?[ \t]{0,4}(?:rfc822[ \t]{0,4};[ \t]{0,4})?[\[(<\"']{0,2}(ADDR)"),
        # The address alone on its line, perhaps with a bullet or a reason in brackets
        ("alone", r"^[ \t]{0,40}(?:[*>•·-]{1,3}[ \t]{0,8})?(?:to:?[ \t]+)?[<\"'(]{0,2}(ADDR)[>\"')]{0,2}[ \t]{0,4}(?:<mailto:[^>\n]{0,320}>|[:.,;]|\[[^\]\n]{0,200}\]|\([^)\n]{0,200}\)|on \d[^\n]{0,60})?[ \t]{0,40}$"),
        # 550 5.1.1 <ann@example.com>... User unknown
        ("dots", r"^[^\n]{0,60}?<?(ADDR)>?\.\.\."),
        # >>> RCPT TO:<ann@example.com>
        ("rcpt", r"rcpt to:[ \t]{0,4}<(ADDR)>"),
        # ann@example.com: reason, or ann@example.com reason
        ("first", r"^[ \t]{0,40}[<\"'(]{0,2}(ADDR)[>\"')]{0,2}[ \t:,-]"),
        ("any", r"(ADDR)"),
    )
)  # fmt: skip
_NOBODY = re.compile(r"^(?:mailer-?daemon|post_?master|no-?reply|abuse|support|help ?desk|root)@", re.IGNORECASE)


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """One recipient in a notice and what is said about it there."""

    address: str
    text: str


def split_original(text: str) -> tuple[str, str]:
    """(the notice, the returned mail behind it); the second is empty when none is found."""
    at = min((start for start in _find_originals(text)), default=len(text))
    return text[:at], text[at:]


def _find_originals(text: str) -> Iterator[int]:
    at = 0
    fields = 0
    began = 0
    for line in text.splitlines(keepends=True):
        if any(phrase.compiled.search(line) for phrase in words.ORIGINAL_BEGINS):
            yield at
            return
        # Or three lines of headers in a row, one of them such as only mails have.
        name = line.partition(":")[0]
        is_field = ":" in line and 1 < len(name) < 40 and " " not in name.strip() and name[:1].isalpha()
        if is_field or (fields and line[:1] in {" ", "\t"} and line.strip()):
            began = began if fields else at
            fields += is_field
            if fields >= 3 and re.search(
                r"^(?:received|message-id|return-path|mime-version|x-mailer):",
                text[began : at + len(line)],
                re.I | re.M,
            ):
                yield began
                return
        else:
            fields = 0
        at += len(line)


def read_notice(text: str, *, others: Collection[str]) -> list[Entry]:
    """The recipients a notice names, in its order; `others` are addresses of those who are no recipients (lower case)."""
    text = text[:LONGEST]
    for name, shape in _SHAPES:
        found = [match for match in shape.finditer(text) if _is_recipient(match, text, shape=name, others=others)]
        if found:
            return _make_entries(text, found[:MOST_RECIPIENTS], is_last=name == "dots")
    return []


def tidy(address: str) -> str:
    """An address without what a sentence puts around it; a quoted local part stays quoted."""
    address = address.strip().strip("<>',;:*").strip(".")
    address = _WORDS_BEHIND.sub(r"\1", _WORDS_BEFORE.sub("", address))
    return address if '"@' in address else address.strip('"')


def is_address(text: str) -> bool:
    """Whether a text is one address with a domain that could be on the internet."""
    return _ADDRESS.fullmatch(text) is not None and "." in text.rpartition("@")[2]


def find_addresses(text: str) -> list[str]:
    """All addresses in a text, each once, in their order."""
    return list(dict.fromkeys(tidy(found) for found in _ADDRESS.findall(text[:LONGEST])))


def _is_recipient(match: re.Match[str], text: str, *, shape: str, others: Collection[str]) -> bool:
    address = tidy(match[1])
    if address.lower() in others or _NOBODY.match(address) or "." not in address.rpartition("@")[2]:
        return False
    start = max(text.rfind("\n", 0, match.start(1)) + 1, match.start(1) - 200)
    before = text[start : match.start(1)]
    if shape == "alone":
        lines = text[max(0, start - 300) : start].rstrip().rsplit("\n", 1)
        return not re.search(r"sent by|sender|contact|from:?\s*$|message-id", lines[-1], re.IGNORECASE)
    return shape in {"colon", "named", "dots"} or not words.any_of(words.HELP, before)


def _make_entries(text: str, found: list[re.Match[str]], *, is_last: bool) -> list[Entry]:
    """What is said of each: from its address to the next one; where addresses come last, their lines."""
    entries: dict[str, str] = {}
    for number, match in enumerate(found):
        if is_last:
            end = text.find("\n", match.end())
        else:
            end = found[number + 1].start() if number + 1 < len(found) else len(text)
        said = text[match.start() : end if end >= 0 else len(text)]
        address = tidy(match[1])
        entries[address] = f"{entries[address]}\n{said}" if address in entries else said
    return [Entry(address, said) for address, said in entries.items()]
