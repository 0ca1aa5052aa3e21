"""Lists of mailboxes in From, To and their like (RFC 5322 §3.4), in time proportional to the text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from campaigns.content.mail_head import decode_words

_TOKEN = re.compile(r"""\s+|"((?:[^"\\]|\\.)*)"|<([^<>]*)>|([,;:])|([^\s"(),:;<>]+)""")
_IN_COMMENT = re.compile(r"[()]|\\.")
_UNESCAPE = re.compile(r"\\(.)")
MOST = 2_000


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """One mailbox as a header shows it: the name decoded, the address as it stands."""

    name: str
    address: str


class NotMailboxes(ValueError):
    """The text is no list of mailboxes; the message quotes nothing."""


def read_mailboxes(text: str) -> list[Shown]:
    """All mailboxes of a list, those in groups too; raises NotMailboxes."""
    found: list[Shown] = []
    words: list[str] = []
    angle, in_group, ended = "", False, False
    for kind, value in [*_tokens(text), ("end", "")]:
        if kind == "word" and not angle:
            words.append(value)
        elif kind == "angle" and not angle:
            angle = value.strip() or "<>"
        elif kind == ":" and not (in_group or angle):
            in_group, words = True, []
        elif kind in {",", ";", "end"} and not (kind == ";" and not in_group):
            if words or angle:
                found.append(_mailbox(words, angle))
            words, angle = [], ""
            in_group = in_group and kind != ";"
            ended = kind == "end"
        elif kind != "comment":
            raise NotMailboxes("unexpected")
    if not ended or in_group or len(found) > MOST:
        raise NotMailboxes("incomplete")
    return found


def read_one(text: str) -> Shown:
    """The only mailbox of a header, in the forms every reader understands alike; raises NotMailboxes.

    No group, no comment, no route, no encoded word inside the address, no @ in a name without quotes (evil input 34).
    """
    kinds = [kind for kind, _ in _tokens(text)]
    if {":", ";", ",", "comment"} & set(kinds) or kinds.count("angle") > 1:
        raise NotMailboxes("not one")
    if "angle" in kinds and (kinds[-1] != "angle" or "@" in _outside_quotes(text)):
        raise NotMailboxes("not one")
    (shown,) = read_mailboxes(text) or [Shown("", "")]
    if "=?" in shown.address:
        raise NotMailboxes("encoded address")
    return shown


def _mailbox(words: list[str], angle: str) -> Shown:
    if angle:
        if angle.startswith("@") and ":" in angle:
            raise NotMailboxes("a route")
        return Shown(decode_words(" ".join(words)).strip(), angle)
    if len(words) != 1:
        raise NotMailboxes("no address")
    return Shown("", words[0])


def _outside_quotes(text: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"|<[^<>]*>', "", text)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        if text[place] == "(":
            place = _skip_comment(text, place)
            found.append(("comment", ""))
            continue
        token = _TOKEN.match(text, place)
        if token is None:
            raise NotMailboxes("unexpected")
        place = token.end()
        quoted, angle, special, word = token.groups()
        if quoted is not None:
            found.append(("word", _UNESCAPE.sub(r"\1", quoted)))
        elif angle is not None:
            found.append(("angle", angle))
        elif special is not None:
            found.append((special, special))
        elif word is not None:
            found.append(("word", word))
    return found


def _skip_comment(text: str, place: int) -> int:
    depth = 0
    while found := _IN_COMMENT.search(text, place):
        place = found.end()
        depth += (found[0] == "(") - (found[0] == ")")
        if depth == 0:
            return place
    raise NotMailboxes("an open comment")
