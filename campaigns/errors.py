"""The one error family: every refusal a person or a program can meet.

`code` is stable and machine-readable (`area.kebab-case`), `safe_text` is a sentence for people that
names no address, body or key, `action` says what to do about it, `status` is the HTTP status a door
answers with. Details for code are attributes of subclasses, never part of the text.
"""

from __future__ import annotations


class CampaignError(Exception):
    """Something a caller asked for cannot be done; each door has one translator for it."""

    def __init__(self, code: str, safe_text: str, *, action: str = "", status: int = 400) -> None:
        super().__init__(f"{code}: {safe_text}")
        self.code = code
        self.safe_text = safe_text
        self.action = action
        self.status = status


class NotFound(CampaignError):
    """The thing does not exist, or not for this account: a stranger cannot tell which."""

    def __init__(self, thing: str) -> None:
        super().__init__(f"{thing}.not-found", f"This {thing} does not exist.", status=404)


class AddressError(CampaignError):
    """The text is not an address we can send to."""
