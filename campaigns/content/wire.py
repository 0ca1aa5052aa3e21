"""The entity of a skeleton on the wire: literals encoded once, lines with values encoded per recipient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby

from campaigns.content import mime
from campaigns.content.encoding import break_lines, encode_chars, quoted_printable, split_head
from campaigns.content.markers import MARK, read
from campaigns.content.problems import RenderError
from campaigns.content.slots import Slotted, Values
from campaigns.content.values import ENCODERS, HARMLESS, Place
from campaigns.tokens import VISIT_TOKEN_LENGTH

# A line of its own between two runs in the text that is encoded in one go; no value may hold NUL.
_CUT = "\0\r\n"
_STAND_INS = "~^`|!*$@"


class Wire:
    """Encoded runs of literal lines, one format for all lines with values, and the places of the reader's token.

    The token has one length and needs no encoding, so lines with it alone are literals with a gap: a mail full of
    tracked links costs hardly more than one without.
    """

    def __init__(self, templates: Mapping[str, Slotted], *, boundary: str, token_slot: int | None = None) -> None:
        subject = templates["subject"]
        self.subject = b"" if subject.needs else mime.subject_header(subject.text)
        self._token_slot = token_slot
        self._stand_in = _stand_in(templates) if token_slot is not None else ""
        self._needs: dict[tuple[int, Place], int] = {}
        self._out: list[bytes] = []
        self._runs: list[str] = []
        self._order: list[int] = []
        html = templates.get("html")
        if html is None:
            self._add(mime.text_entity_head("plain"), templates["text"])
        else:
            self._literal(mime.multipart_head("alternative", boundary=boundary))
            for subtype, template in (("plain", templates["text"]), ("html", html)):
                # The CRLF before a delimiter belongs to it (RFC 2046 §5.1.1): each part keeps its own last line end.
                self._add(f"\r\n--{boundary}\r\n".encode("ascii") + mime.text_entity_head(subtype), template)
            self._literal(f"\r\n--{boundary}--\r\n".encode("ascii"))
        self._format = _CUT.join(self._runs)
        self._steps = [(slot, HARMLESS[place], ENCODERS[place]) for slot, place in self._needs]
        self._in_order = tuple(self._order)
        self._pieces, self._gaps, self._run_at = self._cut()

    def _literal(self, encoded: bytes) -> None:
        if len(self._out) > len(self._runs):
            self._out[-1] += encoded
        else:
            self._out.append(encoded)

    def _add(self, head: bytes, template: Slotted) -> None:
        self._literal(head)
        lines = template.text.split("\n")[:-1]
        for is_varied, group in groupby(lines, key=lambda line: self._is_varied(line, template)):
            if is_varied:
                for line in group:
                    self._line(line, template)
            else:
                # What is left of markers here are tokens.
                text = MARK.sub(self._stand_in, "\n".join(group) + "\n")
                self._literal(quoted_printable(text))
        self._literal(b"")

    def _is_varied(self, line: str, template: Slotted) -> bool:
        return any(template.needs[read(marker)[1]][0] != self._token_slot for marker in MARK.findall(line))

    def _line(self, line: str, template: Slotted) -> None:
        """A line with slots: what stands before the first one is settled, as far as whole stretches go."""
        first, *bits = MARK.split(line)
        head, rest = split_head(encode_chars(first))
        if head:
            self._literal(head)
        run = "%s".join(bit.replace("%", "%%") for bit in (rest, *map(encode_chars, bits))) + "\r\n"
        if len(self._out) > len(self._runs):
            self._runs.append(run)
        else:
            self._runs[-1] += run
        for marker in MARK.findall(line):
            need = template.needs[read(marker)[1]]
            self._order.append(self._needs.setdefault(need, len(self._needs)))

    def _cut(self) -> tuple[list[bytes], list[tuple[int, int, int]], list[int]]:
        """(pieces of the entity, gaps as (piece, start and end within the token), pieces that are runs)."""
        pieces: list[bytes] = []
        gaps: list[tuple[int, int, int]] = []
        run_at: list[int] = []
        for number, literal in enumerate(self._out):
            if number:
                run_at.append(len(pieces))
                pieces.append(b"")
            if self._stand_in:
                _cut_literal(literal, self._stand_in[:1].encode(), pieces, gaps)
            else:
                pieces.append(literal)
        return pieces, gaps, run_at

    def fill(self, values: Values) -> bytes:
        """The bytes for these values, one for each slot; raises RenderError."""
        out = self._pieces.copy()
        if self._gaps:
            token = str(values[self._token_slot or 0]).encode("ascii")
            for piece, start, end in self._gaps:
                out[piece] = token[start:end]
        if self._steps:
            for piece, run in zip(self._run_at, self._encode(values), strict=True):
                out[piece] = run
        return b"".join(out)

    def _encode(self, values: Values) -> list[bytes]:
        filled: list[str] = []
        for slot, is_harmless, encode in self._steps:
            value = values[slot]
            if isinstance(value, RenderError):
                raise value
            filled.append(value if is_harmless(value) else encode_chars(encode(value)))
        return break_lines(self._format % tuple([filled[need] for need in self._in_order])).split(b"\0\r\n")


def _stand_in(templates: Mapping[str, Slotted]) -> str:
    """A run of one letter that stands nowhere, as long as a token: lines break as they will with it."""
    texts = [template.text for template in templates.values()]
    letter = next((one for one in _STAND_INS if not any(one * VISIT_TOKEN_LENGTH in text for text in texts)), None)
    if letter is None:
        raise RenderError(
            "content.reserved-character", "The text holds long runs of punctuation that no mail can carry."
        )
    return letter * VISIT_TOKEN_LENGTH


def _cut_literal(literal: bytes, letter: bytes, pieces: list[bytes], gaps: list[tuple[int, int, int]]) -> None:
    """Append the literal to the pieces with empty ones where a token goes; a soft break may stand inside it."""
    run = re.escape(letter) + rb"(?:(?:=\r\n)?" + re.escape(letter) + rb"){%d}" % (VISIT_TOKEN_LENGTH - 1)
    at = 0
    for found in re.finditer(run, literal):
        pieces.append(literal[at : found.start()])
        start = 0
        for part in re.split(rb"(=\r\n)", found[0]):
            if part.startswith(letter):
                gaps.append((len(pieces), start, start + len(part)))
                start += len(part)
            pieces.append(b"" if part.startswith(letter) else part)
        at = found.end()
    pieces.append(literal[at:])
