"""Drafts of versions: what a person edits, and its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from campaigns.models import TemplateVersion

# Names every template may use, with what a preview shows for them.
BUILT_IN = {
    "email": "someone@example.com",
    "unsubscribe_url": "https://example.com/unsubscribe",
    "browser_url": "https://example.com/this-mail",
    "postal_address": "1 Example Street, 01000 Example City",
    "account_name": "Example organisation",
}


@dataclass(frozen=True, slots=True)
class Variable:
    """A declared placeholder. Without a default (None) a recipient who has no value gets no mail."""

    name: str
    label: str = ""
    sample: str = ""
    default: str | None = None


@dataclass(frozen=True, slots=True)
class VersionDraft:
    """Everything that decides the rendered mail."""

    subject: str
    source_kind: str
    source: str
    preheader: str = ""
    text_source: str = ""
    variables: tuple[Variable, ...] = ()

    def digest(self) -> str:
        """SHA-256 in hex over all of it."""
        text = json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def draft_of(version: TemplateVersion) -> VersionDraft:
    """The draft a version was made from."""
    return VersionDraft(
        subject=version.subject,
        source_kind=version.source_kind,
        source=version.source,
        preheader=version.preheader,
        text_source=version.text_source,
        variables=tuple(Variable(**given) for given in version.variables),
    )
