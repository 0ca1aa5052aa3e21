"""What opening a mail would load from elsewhere: it tells a server who reads which mail, and when (hipaa.md S6, S21, B26)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from campaigns.content.draft import VersionDraft
from campaigns.content.liquid import read_placeholders
from campaigns.content.mjml import compile_mjml
from campaigns.models import SourceKind
from compliance.detectors.texts import PatientParser

# Addresses that are fetched when the mail is shown, on whatever element: Outlook draws pictures on elements of its own.
_FETCHED = frozenset({"src", "lowsrc", "dynsrc", "poster", "background", "data", "xlink:href", "ping"})
_SETS = frozenset({"srcset", "imagesrcset"})
# Followed by people; whatever else has a href loads it, or changes where relative addresses lead.
_LINKS = frozenset({"a", "area"})
_PICTURES = frozenset({"img", "table", "td", "th", "tr", "body", "div", "image"})
# No scheme leads elsewhere but these, whose content comes along with the mail or is none.
_ELSEWHERE = re.compile(r"(?!(?:cid|mid|data|about):)[a-z][a-z0-9+.-]*:|[\\/]{2}", re.IGNORECASE)
_IGNORED = re.compile(r"[\t\n\r]|^[\0- ]+")
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS_ESCAPE = re.compile(r"\\([0-9a-fA-F]{1,6})[ \t\n]?")
_SHEET = re.compile(r"@import\s{1,9}(?:url\(\s{0,9})?['\"]?([^'\")\s;]{1,2000})", re.IGNORECASE)
_CSS_URL = re.compile(r"url\(\s{0,9}['\"]?([^'\")]{1,2000})", re.IGNORECASE)
_IMAGE_SET = re.compile(r"image-set\(([^;{}]{1,4000})", re.IGNORECASE)
_QUOTED = re.compile(r"['\"]([^'\"]{1,2000})")
_REFRESH = re.compile(r"url\s{0,9}=\s{0,9}['\"]?([^'\"]{1,2000})", re.IGNORECASE)
_EMPTY_COMMENT = re.compile(r"<!---?>")
# Outlook reads what other programs take for a comment.
_CONDITIONAL = re.compile(r"\s*\[if [^\]]{0,200}\]>(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Loaded:
    """One address that would be fetched, and the line it stands on; `is_picture` for one that is only shown."""

    url: str = field(repr=False)
    line: int
    is_picture: bool

    def is_still_picture_at(self, hosts: frozenset[str]) -> bool:
        """A picture over https from one of these hosts, the same for everybody: no parameters, no value in its address."""
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return False
        is_plain = not (parts.query or parts.fragment or parts.username or "{" in self.url)
        return self.is_picture and is_plain and parts.scheme == "https" and parts.hostname in hosts


def find_loaded_by(draft: VersionDraft) -> list[Loaded]:
    """What find_loaded finds in a template as it is mailed; raises MjmlError. Lines are those of the HTML."""
    if draft.source_kind == SourceKind.TEXT:
        return []
    source = read_placeholders(draft.source)
    return find_loaded(compile_mjml(source) if draft.source_kind == SourceKind.MJML else source)


def find_loaded(html: str) -> list[Loaded]:
    """Everything in the HTML that is loaded from elsewhere by showing it, in order; pictures in the mail itself are not."""
    return _read(html, first_line=1)


def _read(html: str, *, first_line: int, is_for_outlook: bool = False) -> list[Loaded]:
    reader = _Reader(first_line=first_line, is_for_outlook=is_for_outlook)
    # Comments end where browsers end them.
    reader.read(_EMPTY_COMMENT.sub("<!---->", html).replace("--!>", "-->"))
    return reader.found


class _Reader(PatientParser):
    """Collects addresses out of attributes, styles and what is meant for Outlook alone."""

    def __init__(self, *, first_line: int, is_for_outlook: bool) -> None:
        super().__init__()
        self.found: list[Loaded] = []
        self._first_line = first_line
        self._is_for_outlook = is_for_outlook
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        given = {name: value or "" for name, value in attrs}
        for name, value in given.items():
            self._read_attribute(tag, name, value)
        if tag == "meta" and given.get("http-equiv", "").strip().lower() == "refresh":
            for found in _REFRESH.finditer(given.get("content", "")):
                self._note(found[1])

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self._read_style(data)

    def handle_comment(self, data: str) -> None:
        inside = None if self._is_for_outlook else _CONDITIONAL.match(data)
        if inside is not None:
            # There is no comment within a comment.
            html = inside[1].replace("<!--", "")
            self.found += _read(html, first_line=self._line(), is_for_outlook=True)

    def _read_attribute(self, tag: str, name: str, value: str) -> None:
        if name == "style":
            self._read_style(value)
        elif name in _SETS:
            for candidate in value.split(","):
                self._note(candidate, is_picture=True)
        elif name == "href":
            # A button of Outlook's own (v:roundrect and others) is a link, too.
            if tag not in _LINKS and not tag.startswith("v:"):
                self._note(value)
        elif name in _FETCHED and not (name == "xlink:href" and tag in _LINKS):
            self._note(value, is_picture=tag in _PICTURES or tag.startswith("v:"))

    def _read_style(self, css: str) -> None:
        plain = _CSS_ESCAPE.sub(_unescape, _CSS_COMMENT.sub(" ", css))
        # A style sheet may load whatever it likes; a picture is one.
        for found in _SHEET.finditer(plain):
            self._note(found[1])
        pictures = _SHEET.sub(" ", plain)
        sets = (quoted for found in _IMAGE_SET.finditer(pictures) for quoted in _QUOTED.finditer(found[1]))
        for found in (*_CSS_URL.finditer(pictures), *sets):
            self._note(found[1], is_picture=True)

    def _note(self, address: str, *, is_picture: bool = False) -> None:
        url = _IGNORED.sub("", address).strip()
        if _ELSEWHERE.match(url):
            self.found.append(Loaded(url, self._line(), is_picture))

    def _line(self) -> int:
        return self._first_line + self.getpos()[0] - 1


def _unescape(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code) if 0 < code <= 0x10FFFF else ""
