"""What can be wrong with a sealed value. None of these texts names a value, a key or a place."""

from __future__ import annotations

from campaigns.errors import CampaignError


class SealBroken(Exception):
    """The value does not open here: it was changed, moved to another place, or its key is gone."""


class Shredded(SealBroken):
    """The key of the value was destroyed on purpose; nobody will ever open it again."""


class KeysUnavailable(CampaignError):
    """The service that holds the root key does not answer or refuses. Nothing is lost: try again later."""

    def __init__(self) -> None:
        super().__init__(
            "vault.keys-unavailable",
            "The service that holds the keys does not answer.",
            action="Try again in a minute; if it stays, tell the operator of this installation.",
            status=503,
        )
