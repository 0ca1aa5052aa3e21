"""SMTP replies out of a stream of bytes, however it is split (RFC 5321 §4.2, RFC 2034)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LONGEST = 65_536  # bytes of one reply with all its lines; real ones have a few hundred

# Code, then a hyphen (more lines follow), a space or nothing; an enhanced code counts only where its class is the
# code's own (RFC 2034 §4).
_LINE = re.compile(rb"(([2-5])\d\d)(?:([ -])[ \t]*(\2\.\d{1,3}\.\d{1,3}\b)?|\r?\Z)")


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole reply: its code and, when it refuses, its enhanced code and the words beside it, as far as they go.

    Words may name people: they are for the classifier, and go no further.
    """

    code: int
    enhanced: str = ""
    words: str = field(default="", repr=False, compare=False)

    @property
    def refuses(self) -> bool:
        """4yz and 5yz: the first digit decides (RFC 5321 §4.2.1)."""
        return self.code >= 400


MALFORMED = Reply(0)  # not SMTP: whatever follows on this connection has no known meaning

# Speed: nearly all replies are one of these on one short line, and need no parsing and no object of their own.
_COMMON = {b"250 ": Reply(250), b"354 ": Reply(354)}
_SHORT = 512
_MOST_WORDS = 2_000  # characters of a refusal that anybody needs to tell what it means


class ReplyParser:
    """Takes bytes as they arrive. Any split gives the same replies; after MALFORMED come no more."""

    def __init__(self) -> None:
        self._rest = b""  # a line that has not ended yet
        self._size = 0  # bytes in earlier lines of a reply that has not ended yet
        self._kind = b""  # their first digit
        self._enhanced = ""
        self._words: list[str] = []  # of the lines of a refusal
        self._is_broken = False

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that end within data, in their order."""
        if self._is_broken:
            return []
        # Bare LF ends a line too: some servers send it, and it can mean nothing else here.
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        replies: list[Reply] = []
        for line in lines:
            reply = _COMMON.get(line[:4]) if not self._size and len(line) < _SHORT else None
            reply = reply or self._take_line(line)
            if reply is not None:
                replies.append(reply)
            if reply is MALFORMED:
                return replies
        if self._size + len(self._rest) > LONGEST:
            replies.append(self._break())
        return replies

    def _take_line(self, line: bytes) -> Reply | None:
        self._size += len(line) + 1
        found = _LINE.match(line)
        if self._size > LONGEST or found is None or self._kind not in {b"", found[2]}:
            return self._break()
        self._kind = found[2]
        if found[4] and not self._enhanced and self._kind in {b"4", b"5"}:
            self._enhanced = found[4].decode("ascii")
        if self._kind in {b"4", b"5"} and sum(map(len, self._words)) < _MOST_WORDS:
            self._words.append(line[found.end() :].decode("utf-8", "replace").strip())
        if found[3] == b"-":
            return None
        reply = Reply(int(found[1]), self._enhanced, " ".join(self._words)[:_MOST_WORDS] if self._words else "")
        self._size, self._kind, self._enhanced, self._words = 0, b"", "", []
        return reply

    def _break(self) -> Reply:
        self._is_broken, self._rest = True, b""
        return MALFORMED


def reply_code(reply: Reply) -> str:
    """`smtp.550-5.1.1`, or `smtp.550` when the reply has no enhanced code (RFC 3463)."""
    return f"smtp.{reply.code}-{reply.enhanced}" if reply.enhanced else f"smtp.{reply.code}"
