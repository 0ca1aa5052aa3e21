"""The files inside a mail that somebody handed in, by name and by content (evil input 17)."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns import filetypes
from campaigns.content.mail_head import decode_words
from campaigns.content.mail_parts import Part

# What readers show as the text of the mail; everything else is a file to them.
HTML_TEXTS = frozenset({"text/html", "text/x-amp-html", "text/watch-html"})
_TEXTS = HTML_TEXTS | {"text/plain"}
_ENDINGS = {
    "text/plain": "txt", "text/html": "html", "image/png": "png", "image/jpeg": "jpg", "image/jpg": "jpg",
    "image/gif": "gif", "application/pdf": "pdf", filetypes.DOCX: "docx", filetypes.XLSX: "xlsx",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MailFile:
    """A file in a mail: its name, its type by content (None: not recognised), its size in bytes."""

    name: str
    detected_type: str | None
    size: int


def list_files(root: Part) -> tuple[MailFile, ...]:
    """Every file in the mail in its order; one that readers may see by two names stands twice. Raises MailRefused."""
    found: list[MailFile] = []
    for part in list_leaves(root):
        names = _names(part)
        if part.kind in _TEXTS and not names and part.disposition.start in {"", "inline"}:
            continue
        data = part.decode()
        shown = names or [f"part.{_ENDINGS.get(part.kind, 'bin')}"]
        found += [MailFile(name, filetypes.detect_type(name, data), len(data)) for name in shown]
    return tuple(found)


def list_leaves(part: Part) -> list[Part]:
    """The parts of the mail that hold no others, in their order."""
    if not part.is_multipart:
        return [part]
    return [leaf for child in part.parts for leaf in list_leaves(child)]


def _names(part: Part) -> list[str]:
    """Every name some reader may go by."""
    names: list[str] = []
    for values, key in ((part.disposition, "filename"), (part.content, "name")):
        if key in values.values:
            names += [values.values[key], *values.variants.get(key, ())]
    return list(dict.fromkeys(decode_words(name) for name in names))
