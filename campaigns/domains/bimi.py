"""A logo for BIMI: is the file SVG Tiny Portable/Secure, as mailboxes ask for (BI-01)? Pure."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from campaigns.domains.unpacking import MOST_PACKED

MOST_BYTES = 32 * 1024
_MOST_ELEMENTS = 20_000
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
# SVG Tiny 1.2 has more; the portable/secure profile leaves out what runs, moves, or comes from elsewhere.
_FORBIDDEN = {
    "script": "a script", "image": "a picture (<image>)", "animate": "an animation", "animatecolor": "an animation",
    "animatemotion": "an animation", "animatetransform": "an animation", "set": "an animation", "video": "a video",
    "audio": "sound", "foreignobject": "foreign content", "style": "a style sheet (<style>)", "handler": "a script",
    "listener": "a script", "a": "a link", "filter": "a filter", "mask": "a mask", "clippath": "a clip path",
    "pattern": "a pattern", "symbol": "a symbol", "marker": "a marker", "switch": "a switch", "discard": "an animation",
}  # fmt: skip


def check_logo(data: bytes) -> list[str]:
    """What keeps the file from being taken, each as a sentence; an empty list for a file that fits."""
    if len(data) > MOST_PACKED:
        return ["The file is far too large for a logo."]
    try:
        elements = list(_read(data))
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return ["This is no SVG file, or one with a document type (<!DOCTYPE>), which is not allowed."]
    if not elements or elements[0].tag != f"{{{_SVG}}}svg":
        return [f'The outermost element has to be <svg xmlns="{_SVG}">.']
    root = elements[0]
    wants = [*_check_root(root), *_check_title(root), *_check_content(elements)]
    if len(data) > MOST_BYTES:
        wants.append(f"The file has {len(data) / 1024:.0f} KB; mailboxes take up to {MOST_BYTES // 1024} KB.")
    return wants


def _read(data: bytes) -> Iterator[Element]:
    """Every element in the order they begin; each is whole once the last was read."""
    started = iterparse(io.BytesIO(data), events=("start",), forbid_dtd=True)
    for number, (_, element) in enumerate(started, 1):
        if number > _MOST_ELEMENTS:
            raise ValueError("elements")
        yield element


def _check_root(root: Element) -> Iterator[str]:
    if root.get("version") != "1.2":
        yield 'The outermost element needs version="1.2".'
    if root.get("baseProfile") != "tiny-ps":
        yield 'The outermost element needs baseProfile="tiny-ps".'
    if root.get("x") is not None or root.get("y") is not None:
        yield "The outermost element must have no x= and y=."
    box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
    if len(box) != 4 or not all(re.fullmatch(r"-?\d+(?:\.\d+)?", number) for number in box):
        yield "The outermost element needs a viewBox with four numbers."
    elif abs(float(box[2]) - float(box[3])) > 0.01 * max(float(box[2]), float(box[3])):
        yield f"The logo is not square: its viewBox is {box[2]} wide and {box[3]} high."


def _check_title(root: Element) -> Iterator[str]:
    title = next((child for child in root if child.tag == f"{{{_SVG}}}title"), None)
    if title is None or not (title.text or "").strip():
        yield "A <title> with the name of your organisation is missing."
    elif len((title.text or "").strip()) > 64:
        yield "The <title> has more than 64 letters."


def _check_content(elements: list[Element]) -> list[str]:
    found: dict[str, None] = {}
    for element in elements:
        name = str(element.tag).rpartition("}")[2].lower()
        if name in _FORBIDDEN:
            found[f"It holds {_FORBIDDEN[name]}, which is not allowed."] = None
        for key, value in element.attrib.items():
            if key.lower().startswith("on"):
                found["It holds a script (an attribute that begins with on), which is not allowed."] = None
            if key in {"href", _XLINK} and not value.startswith("#"):
                found["It refers to something outside of the file, which is not allowed."] = None
            if "url(" in value.replace("url(#", "").lower():
                found["It refers to something outside of the file, which is not allowed."] = None
    return list(found)
