"""Mails whose content a program hands in with the request: no template of ours, placeholders nobody declared.

Two languages (Infobip's templateLanguageVersion): "1" substitutes `{{name}}` and nothing else, "2" is the language of our
templates. Both end in the same skeleton, so values are encoded for the place they stand in, and a value that is missing
fails this recipient's mail. The HTML stays as it was handed in: no inlining, nothing moved.
"""

from __future__ import annotations

import hashlib
import re
from base64 import encodebytes
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from threading import Lock
from urllib.parse import quote

from liquid.exceptions import LiquidError

from campaigns.content import markup, mime
from campaigns.content.encoding import quoted_printable
from campaigns.content.environment import Printed, printed_text
from campaigns.content.fill import lines_of
from campaigns.content.liquid import LiquidSource, names_in, parse, read_placeholders
from campaigns.content.markers import MARK, MOST_SLOTS, RESERVED, mark
from campaigns.content.mime import NOTHING, Enclosed, MailFrame, MailRecipient
from campaigns.content.problems import RenderError, TemplateError, TemplateProblem
from campaigns.content.slots import Slotted, place_plainly, place_slots
from campaigns.content.textpart import make_text
from campaigns.content.tracked import LinkPlan, Tracked, TrackedHtml, track_html
from campaigns.content.values import Place

LANGUAGES = ("1", "2")
_KEPT = 64
_SKELETONS_KEPT = 16
# Anything but braces names a value; whatever else looks like a template is text in the first language.
_NAME = re.compile(r"\{\{\s*([^{}#/!>^&%\s][^{}]*?)\s*\}\}")
_HELPER = re.compile(r"\{\{\s*[#/^!>&]")


@dataclass(frozen=True, slots=True, repr=False)
class Attachment:
    """A file in a mail; with a `content_id` it is an image that the HTML shows as `cid:<content_id>`."""

    name: str
    media_type: str
    data: bytes
    content_id: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class LetterDraft:
    """The texts of a mail as they were handed in; `html` and `text` may be empty, not both."""

    subject: str
    html: str = ""
    text: str = ""
    amp: str = ""
    language: str = "1"
    addressed: str = ""  # what the account's postal address reads like, to be recognised in the texts

    def digest(self) -> str:
        """SHA-256 in hex over all of it."""
        whole = hashlib.sha256()
        for part in (self.language, self.subject, self.html, self.text, self.amp, self.addressed):
            data = part.encode("utf-8", "surrogatepass")
            whole.update(len(data).to_bytes(8, "big") + data)
        return whole.hexdigest()


class CompiledLetter:
    """Texts ready to be written to any number of recipients; safe to share between threads."""

    def __init__(self, draft: LetterDraft) -> None:
        self.digest = draft.digest()
        self._draft = draft
        self._sources = _parse_sources(draft)
        self.names = frozenset(name for source in self._sources.values() for name in _names_of(source))
        self._skeleton = lru_cache(maxsize=_SKELETONS_KEPT)(self._compile)
        self.has_unsubscribe_link = any("unsubscribe_url" in source.text for source in self._sources.values())
        self.has_browser_link = any("browser_url" in source.text for source in self._sources.values())
        self.has_postal_address = self._has_postal_address()

    def mail(
        self,
        frame: MailFrame,
        recipient: MailRecipient,
        *,
        date: datetime,
        enclosed: Enclosed = NOTHING,
        tracked: Tracked | None = None,
    ) -> bytes:
        """The mail as wire bytes; raises RenderError when this recipient's cannot be made."""
        skeleton, values = self._resolve(frame, recipient)
        head = mime.frame_head(frame)
        own = mime.recipient_head(recipient, allow_utf8=frame.allow_utf8, date=date)
        return b"".join((head, own, skeleton.subject(values), skeleton.entity(values, enclosed, tracked)))

    def read(self, frame: MailFrame, recipient: MailRecipient) -> tuple[str, str, str]:
        """(subject, html, text) as people read them; raises RenderError."""
        skeleton, values = self._resolve(frame, recipient)
        return skeleton.read(values)

    def _resolve(self, frame: MailFrame, recipient: MailRecipient) -> tuple[_Skeleton, Sequence[str | RenderError]]:
        scope: dict[str, object] = {"account_name": frame.account_name, "email": recipient.mailbox}
        scope |= {"postal_address": ", ".join(frame.postal_address.splitlines())}
        scope |= {name: value for name, value in recipient.values.items() if value is not None}
        # Nobody hands in a link that leads the reader elsewhere under this name.
        scope["unsubscribe_url"] = recipient.unsubscribe_url or None
        scope["browser_url"] = recipient.browser_url or None
        printed = Printed()
        texts = tuple((name, source.render(scope, printed=printed)) for name, source in self._sources.items())
        values = [_text_or_error(name, value) for name, value in zip(printed.names, printed.values, strict=True)]
        return self._skeleton(texts, tuple(printed.names)), values

    def _compile(self, texts: tuple[tuple[str, str], ...], names: tuple[str, ...]) -> _Skeleton:
        return _Skeleton(dict(texts), names=names, digest=self.digest)

    def _has_postal_address(self) -> bool:
        if any("postal_address" in source.text for source in self._sources.values()):
            return True
        wanted = _words(self._draft.addressed)
        return bool(wanted) and (wanted in _words(self._draft.text) or wanted in _words(_readable(self._draft.html)))


class _Skeleton:
    """One shape of the mail: its texts with slots."""

    def __init__(self, texts: Mapping[str, str], *, names: Sequence[str], digest: str) -> None:
        self._names = names
        subject = texts["subject"]
        self._subject = place_slots(subject, [Place.LINE for _ in MARK.finditer(subject)])
        html = texts.get("html", "")
        self._html = place_slots(lines_of(html), markup.places(html)) if html else None
        amp = texts.get("amp", "")
        self._amp = place_slots(lines_of(amp), markup.places(amp)) if amp else None
        seen = make_text(html) if html else None
        text = lines_of(texts["text"]) if texts.get("text") else seen.text if seen else "\n"
        self._text = place_plainly(text)
        self._digest = digest
        self._tracked = lru_cache(maxsize=4)(self._track)

    def subject(self, values: Sequence[str | RenderError]) -> bytes:
        return mime.subject_header(self._subject.fill(values))

    def read(self, values: Sequence[str | RenderError]) -> tuple[str, str, str]:
        html = self._html.fill(values) if self._html else ""
        return mime.subject_text(self._subject.fill(values)), html, self._text.fill(values)

    def entity(self, values: Sequence[str | RenderError], enclosed: Enclosed, tracked: Tracked | None = None) -> bytes:
        """The body with its headers: related inside alternative inside mixed (MF-11)."""
        entity = _text_part("plain", self._text.fill(values))
        if self._html is not None:
            html = _text_part("html", self._html_of(self._html, values, tracked))
            html = (
                mime.multipart("related", [html, *enclosed.related], digest=self._digest) if enclosed.related else html
            )
            amp = [_text_part("x-amp-html", self._amp.fill(values))] if self._amp else []
            entity = mime.multipart("alternative", [entity, *amp, html], digest=self._digest)
        elif enclosed.related:
            entity = mime.multipart("related", [entity, *enclosed.related], digest=self._digest)
        if not enclosed.mixed:
            return entity
        return mime.multipart("mixed", [entity, *enclosed.mixed], digest=self._digest)

    def _html_of(self, html: Slotted, values: Sequence[str | RenderError], tracked: Tracked | None) -> str:
        """The HTML, its links leading through us and a picture in it where opens and clicks are counted."""
        if tracked is None:
            return html.fill(values)
        made = self._tracked(tracked.plan)
        return Slotted(made.text, tuple(made.needs)).fill(made.values(values, tracked.token))

    def _track(self, plan: LinkPlan) -> TrackedHtml:
        assert self._html is not None
        return track_html(self._html, names=self._names, plan=plan)


def _text_part(subtype: str, text: str) -> bytes:
    return mime.text_entity_head(subtype) + quoted_printable(text)


def _text_or_error(name: str, value: object) -> str | RenderError:
    try:
        return printed_text(name, value)
    except RenderError as error:
        return error


def enclose(attachments: Sequence[Attachment]) -> Enclosed:
    """Attachments as MIME parts; raises RenderError for a file name no header may carry."""
    if not attachments:
        return NOTHING
    mixed = tuple(_encode(entry) for entry in attachments if not entry.content_id)
    return Enclosed(mixed, tuple(_encode(entry) for entry in attachments if entry.content_id))


def _encode(entry: Attachment) -> bytes:
    kind = re.fullmatch(r"[\w!#$&.+^-]{1,63}/[\w!#$&.+^-]{1,63}", entry.media_type, re.ASCII)
    name = mime.header_text("file name", entry.name)
    plain = re.sub(r"[^\w .()-]", "_", name, flags=re.ASCII) or "file"
    disposition = "inline" if entry.content_id else "attachment"
    # RFC 2231 for everybody; those who never learnt it read the plain name beside the type (MF-10).
    shown = f'filename="{name}"' if plain == name else f"filename*=UTF-8''{quote(name, safe='')}"
    lines = [
        f'Content-Type: {kind[0] if kind else "application/octet-stream"};\r\n name="{plain[:60]}"',
        "Content-Transfer-Encoding: base64",
        f"Content-Disposition: {disposition};\r\n {shown}",
    ]
    if entry.content_id:
        lines.append(f"Content-ID: <{quote(mime.header_text('content id', entry.content_id), safe='@!#$&+.-_~')}>")
    head = "\r\n".join(lines).encode("ascii")
    return head + b"\r\n\r\n" + encodebytes(entry.data).replace(b"\n", b"\r\n")


def _cleaned(text: str) -> str:
    """Infobip's `{$unsubscribe}` as a name; without the characters our markers are made of."""
    return RESERVED.sub("", read_placeholders(text))


def _parse_sources(draft: LetterDraft) -> dict[str, LiquidSource | NameSource]:
    texts = {"subject": draft.subject, "html": draft.html, "text": draft.text, "amp": draft.amp}
    try:
        read = parse if draft.language == "2" else _parse_names
        return {name: read(_cleaned(text)) for name, text in texts.items() if text or name == "subject"}
    except LiquidError as error:
        problem = TemplateProblem("source", None, "content.syntax", f"The template cannot be read: {error.message}.")
        raise TemplateError([problem]) from error


@dataclass(frozen=True, slots=True)
class NameSource:
    """A text of the first language: `{{name}}` is a value, whatever else looks like a template is text.

    `bits` are the literal texts and, at every odd place, a name.
    """

    text: str
    bits: tuple[str, ...]

    def render(self, scope: Mapping[str, object], *, printed: Printed) -> str:
        """The skeleton for these values, as LiquidSource has it; raises RenderError."""
        out = list(self.bits)
        for place in range(1, len(out), 2):
            if (slot := len(printed.values)) >= MOST_SLOTS:
                raise RenderError("content.too-many-values", "The template prints too many values.")
            printed.names.append(out[place])
            printed.values.append(scope.get(out[place]))
            out[place] = mark(slot)
        return "".join(out)


def _names_of(source: LiquidSource | NameSource) -> set[str]:
    """The names of values a text prints or decides by."""
    return set(source.bits[1::2]) if isinstance(source, NameSource) else {found.name for found in names_in(source)}


def _parse_names(text: str) -> NameSource:
    if _HELPER.search(text):
        sentence = "Language version 1 substitutes names only: block helpers such as {{#if}} are not available."
        problem = TemplateProblem("source", None, "content.helper", sentence, "Use templateLanguageVersion 2.")
        raise TemplateError([problem])
    return NameSource(text, tuple(_NAME.split(text)))


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _readable(html: str) -> str:
    return make_text(RESERVED.sub("", html)).text if html else ""


_compiled: OrderedDict[str, CompiledLetter] = OrderedDict()
_lock = Lock()


def compile_letter(draft: LetterDraft) -> CompiledLetter:
    """The compiled form of a letter, kept by digest; thread safe. Raises TemplateError."""
    digest = draft.digest()
    with _lock:
        if (found := _compiled.get(digest)) is not None:
            _compiled.move_to_end(digest)
            return found
    compiled = CompiledLetter(draft)
    with _lock:
        _compiled[digest] = compiled
        while len(_compiled) > _KEPT:
            _compiled.popitem(last=False)
    return compiled
