"""Attachments: seven types, known by their last extension and by their content alike (evil input 17).

Texts count attachments and never quote a file name: it can name a person.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from compliance.facts import AttachmentFacts, Finding, SendFacts
from compliance.registry import rule

ALLOWED_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "txt": "text/plain",
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
}
_SHOWN = ".pdf, .docx, .xlsx, .txt, .jpg, .png and .gif"
_CLAUSE = "Email API docs: Attachments: Supported types: .pdf,.docx,.xlsx,.txt,.jpg,.png,.gif"

# An extension before the last one hides what a file is, or wants to be: `invoice.exe.pdf`, `report.pdf.docx`.
# Plain words and version numbers between dots are harmless: `annual.report.v1.2.pdf`.
_HIDDEN_EXTENSIONS = frozenset({
    "pdf", "doc", "docx", "docm", "dot", "dotm", "xls", "xlsx", "xlsm", "xlsb", "ppt", "pptx", "pptm", "rtf",
    "odt", "ods", "txt", "csv", "jpg", "jpeg", "png", "gif", "svg", "bmp", "exe", "com", "scr", "pif", "bat",
    "cmd", "msi", "msp", "dll", "cpl", "jar", "js", "jse", "vb", "vbe", "vbs", "vba", "wsf", "wsh", "hta", "ps1",
    "psm1", "lnk", "url", "reg", "inf", "sys", "sh", "bash", "py", "pl", "rb", "php", "asp", "aspx", "jsp", "swf",
    "apk", "app", "dmg", "pkg", "deb", "rpm", "iso", "img", "vhd", "vhdx", "one", "chm", "zip", "rar", "7z", "gz",
    "tgz", "tar", "bz2", "xz", "cab", "ace", "arj", "z", "lz", "htm", "html", "xhtml", "mht", "mhtml", "shtml",
    "xml", "eml", "msg",
})  # fmt: skip
_FORBIDDEN_CHARACTERS = frozenset('/\\:*?"<>|')
# Control, format (bidi overrides, zero width), surrogate, private and unassigned characters, line and paragraph ends.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MAX_NAME_BYTES = 255


@rule("attachment.name-unsafe", citation=f"standards MF-09, MF-10, evil input 17; {_CLAUSE}")
def check_names(facts: SendFacts) -> Finding | None:
    """A file name shows what it is: no hidden extension, path, control or direction characters, at most 255 bytes."""
    return _first(
        facts,
        _has_unsafe_name,
        "attachment.name-unsafe",
        "has a file name that hides what it is or cannot be stored safely.",
        "Rename the file: letters, digits, spaces and one extension.",
    )


@rule("attachment.type-refused", citation=f"standards evil input 17; {_CLAUSE}")
def check_types(facts: SendFacts) -> Finding | None:
    """A file has one of the seven extensions and content of one of the seven types."""
    return _first(
        facts,
        _has_refused_type,
        "attachment.type-refused",
        "is not of a type that may be sent.",
        f"Attach only {_SHOWN} files.",
    )


@rule("attachment.content-mismatch", citation=f"standards evil input 17; {_CLAUSE}")
def check_contents(facts: SendFacts) -> Finding | None:
    """A file's content is what its extension says."""
    return _first(
        facts,
        _has_other_content,
        "attachment.content-mismatch",
        "contains something else than its file name says.",
        "Save the file again in the format its extension names.",
    )


def judge_file(file: AttachmentFacts) -> Finding | None:
    """What the rules above find about one file before it is attached to anything."""
    facts = SendFacts("", "", "", "", "", True, None, None, None, attachments=(file,))
    return check_names(facts) or check_types(facts) or check_contents(facts)


def _first(
    facts: SendFacts, is_bad: Callable[[AttachmentFacts], bool], code: str, text: str, action: str
) -> Finding | None:
    for number, attachment in enumerate(facts.attachments, 1):
        if is_bad(attachment):
            return Finding(code, f"Attachment {number} {text}", action)
    return None


def _extension(attachment: AttachmentFacts) -> str:
    return attachment.name.rpartition(".")[2].lower() if "." in attachment.name else ""


def _has_unsafe_name(attachment: AttachmentFacts) -> bool:
    name = attachment.name
    if not name.strip(" .") or name != name.strip(" .") or len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES:
        return True
    if any(c in _FORBIDDEN_CHARACTERS or unicodedata.category(c) in _FORBIDDEN_CATEGORIES for c in name):
        return True
    return any(part.strip().lower() in _HIDDEN_EXTENSIONS for part in name.split(".")[1:-1])


def _has_refused_type(attachment: AttachmentFacts) -> bool:
    return _extension(attachment) not in ALLOWED_TYPES or attachment.detected_type not in ALLOWED_TYPES.values()


def _has_other_content(attachment: AttachmentFacts) -> bool:
    expected = ALLOWED_TYPES.get(_extension(attachment))
    return expected is not None and attachment.detected_type != expected
