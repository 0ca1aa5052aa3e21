"""What a rule may know: frozen values, no Django, no clock, no settings.

None always means "nobody looked", and a rule that needs such a fact blocks.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AttachmentFacts:
    """One attachment: its file name, its MIME type by content (None: not recognised), its size in bytes."""

    # A file name can name a patient: not in tracebacks.
    name: str = field(repr=False)
    detected_type: str | None
    size: int


@dataclass(frozen=True, slots=True)
class SendFacts:
    """Everything the rules look at for one send; hashable, so callers group recipients by equal facts.

    `message_bytes` is the encoded size, or an upper bound shared by a group of messages. `recipient_block` is
    "" for a recipient who may be written to (and in a preflight, where no recipient is known yet), else
    "suppressed", "unsubscribed", "list-unsubscribed" or "too-often". `tracks` says that the mail may hold a pixel or links
    that lead through us. `sender_dmarc` is "" when the sender's domain has a DMARC record, else what is wrong with it; of
    ordinary mail nobody looks.
    """

    feature: str
    lane: str
    purpose: str
    account_baa_status: str
    transport_kind: str
    sender_domain_verified: bool
    has_unsubscribe_link: bool | None
    has_postal_address: bool | None
    message_bytes: int | None
    attachments: tuple[AttachmentFacts, ...] = ()
    recipient_block: str | None = ""
    tracks: bool | None = None
    sender_dmarc: str | None = None

    def digest(self) -> str:
        """SHA-256 of the facts as canonical JSON, in hex: equal facts and only they share it."""
        content = [
            2,
            self.feature,
            self.lane,
            self.purpose,
            self.account_baa_status,
            self.transport_kind,
            self.sender_domain_verified,
            self.has_unsubscribe_link,
            self.has_postal_address,
            self.message_bytes,
            [[a.name, a.detected_type, a.size] for a in self.attachments],
            self.recipient_block,
            self.tracks,
            self.sender_dmarc,
        ]
        return hashlib.sha256(_canonical(content).encode("ascii")).hexdigest()


_canonical = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Finding:
    """Why something is not allowed: `code` is the rule's id, `text` and `action` are sentences for people."""

    code: str
    text: str
    action: str
    citation: str = ""
