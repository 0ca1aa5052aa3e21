"""Default deny for requests: a field is listed and eligible, or the request is refused; nothing of it is told back.

What a refusal names of a request is the way to a field by names we know ourselves: an unknown name could be data, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from django.http import HttpRequest
from pydantic import BaseModel, ValidationError

from campaigns.api.envelopes import Violation
from campaigns.api.forms import Form
from campaigns.api.parser import TrimmingParser
from campaigns.api.translate import Refused, list_violations
from campaigns.outbox.protected import is_opaque
from compliance.features import Kind, find_capability
from compliance.features.capabilities import UNLISTED, Capability
from compliance.features.eligibility import TAGS, NotEligible

# Objects with names of the caller's choosing: what is in a recipient's own is sealed, the others are refused as a whole.
_FREE = frozenset({"placeholders", "defaultPlaceholders", "landingPagePlaceholders", "headers"})
_IDS = "api.free-ids"
_STORAGE = "api.storage-flags"
_KNOWN = frozenset(TAGS[Kind.FIELD])
_BY_LOWER = {name.lower(): name for name in _KNOWN}


_Model = TypeVar("_Model", bound=BaseModel)


class FieldRefused(NotEligible):
    """A field that may not be used; `violations` say where it stands."""

    def __init__(self, capability: Capability, path: str) -> None:
        super().__init__(capability)
        self.status = 400
        self.violations = (Violation(path, capability.reason),)


def read_body(request: HttpRequest, model: type[_Model]) -> _Model:
    """What a JSON body asks for, read as the ordinary door reads it.

    Raises FieldRefused for what may not be in it, Refused for other faults, and HttpError 400 and 415.
    """
    body = TrimmingParser().parse_body(request)
    check_fields(body)
    try:
        return model.model_validate(body, extra="forbid")
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        misplaced = [entry for entry in found if entry["type"] == "extra_forbidden"]
        if misplaced:
            raise FieldRefused(UNLISTED, _path_of(misplaced[0]["loc"])) from None
        # From None: pydantic's sentence quotes what was sent.
        raise Refused(*list_violations(found)) from None


def check_fields(body: Any) -> None:
    """Returns when every field of a body is listed, and what is not eligible says nothing; raises FieldRefused."""
    for path, name, value in _walk(body, ""):
        _check(name, value, path)


def check_form(form: Form) -> None:
    """The same for the parts of a form, whose names are written in any case."""
    for name, value in form.parts():
        known = _BY_LOWER.get(name.lower(), "")
        _check(known, value, known or "form")


def check_query(request: HttpRequest, *allowed: str) -> None:
    """Returns when the query asks by these names only: an address in one would stand in every log (raises Refused)."""
    if not set(request.GET) <= set(allowed):
        raise Refused(Violation("query", f"takes {', '.join(allowed)} and nothing else"))


def check_names(request: HttpRequest, *allowed: str) -> None:
    """Returns when a JSON body has these fields only; raises FieldRefused."""
    body = TrimmingParser().parse_body(request)
    if isinstance(body, Mapping) and not set(body) <= set(allowed):
        raise FieldRefused(UNLISTED, "requestBody")


def check_key(request: HttpRequest, header: str) -> None:
    """Returns when a header by which repetitions are recognised is a UUID or not there; raises FieldRefused."""
    if not is_opaque(request.headers.get(header, "")):
        raise FieldRefused(find_capability(Kind.FIELD, "messageId"), header)


def _check(name: str, value: Any, path: str) -> None:
    capability = find_capability(Kind.FIELD, name)
    if not capability.is_eligible and not _says_nothing(name, capability, value):
        raise FieldRefused(capability, path)


def _says_nothing(name: str, capability: Capability, value: Any) -> bool:
    """Whether an ineligible field asks for nothing: empty, false, or what is done anyway."""
    if isinstance(value, Mapping):
        # A group of fields, each of which is looked at by itself.
        return not value or name not in _FREE
    if capability.key == _IDS:
        return value is None or (isinstance(value, str) and is_opaque(value))
    if capability.key == _STORAGE:
        # Nothing is stored: who asks for that gets it.
        return value is None or value is True or str(value).lower() == "true"
    return value in (None, "", [], False) or str(value).strip().lower() in {"false", "{}"}


def _walk(value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    """(path, name, value) of every field, from the outside in; of an unknown one the path of what it stands in."""
    if isinstance(value, list):
        for place, entry in enumerate(value):
            yield from _walk(entry, f"{path}[{place}]")
    if not isinstance(value, Mapping):
        return
    for name, entry in value.items():
        is_known = name in _KNOWN
        inner = (f"{path}.{name}" if path else name) if is_known else (path or "requestBody")
        yield inner, name if is_known else "", entry
        if name not in _FREE:
            yield from _walk(entry, inner)


def _path_of(loc: Iterable[Any]) -> str:
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part in _KNOWN:
            path += f".{part}" if path else str(part)
    return path or "requestBody"
