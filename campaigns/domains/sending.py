"""How mail leaves from a domain: where bounces go, how fast, and how a new domain is warmed up."""

from __future__ import annotations

import math
from datetime import date

from campaigns import addresses
from campaigns.errors import CampaignError
from campaigns.models import Domain

# The address of each mail adds `+` and 40 characters; 64 is the most before the @ (RFC 5321 §4.5.3.1.1).
_LOCAL_LENGTH = 23
# Where registries of countries sell names: example.co.uk is a domain, co.uk is none.
_REGISTRY_LABELS = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "ltd", "mil", "ne", "net", "nhs", "nom", "or",
                              "org", "plc", "sch"})  # fmt: skip


def change_sending(
    domain: Domain, *, return_path: str, max_per_second: float | None, warmup_started_on: date | None
) -> None:
    """Store all three; an empty return path means the From address, no rate no limit, no date no warm-up.

    Raises AddressError, CampaignError `domain.return-path-other`, `domain.return-path-ascii`,
    `domain.return-path-long` or `domain.rate-invalid`.
    """
    domain.return_path = _check_return_path(domain, return_path) if return_path.strip() else ""
    if max_per_second is not None and not (max_per_second > 0 and math.isfinite(max_per_second)):
        raise CampaignError(
            "domain.rate-invalid", "A rate is more than 0 messages per second.", action="Leave it empty for no limit."
        )
    domain.max_per_second, domain.warmup_started_on = max_per_second, warmup_started_on
    domain.save(update_fields=["return_path", "max_per_second", "warmup_started_on"])


def change_return_path(domain: Domain, *, address: str) -> None:
    """Where bounces go from now on; empty means the From address. Raises what change_sending raises for it."""
    domain.return_path = _check_return_path(domain, address) if address.strip() else ""
    domain.save(update_fields=["return_path"])


def change_tracking(
    domain: Domain, *, opens: bool | None = None, clicks: bool | None = None, unsubscribes: bool | None = None
) -> None:
    """What the domain's mail may be followed by; None leaves a switch as it is."""
    wanted = {"track_opens": opens, "track_clicks": clicks, "track_unsubscribes": unsubscribes}
    changes = {name: value for name, value in wanted.items() if value is not None}
    for name, value in changes.items():
        setattr(domain, name, value)
    domain.save(update_fields=[*changes])


def _check_return_path(domain: Domain, text: str) -> str:
    address = addresses.parse(text)
    if not is_one_organisation(address.domain, domain.name):
        raise CampaignError(
            "domain.return-path-other",
            "Bounces must go to an address at this domain, or at one above, below or beside it: "
            "otherwise SPF does not speak for your From address.",
            action="Use an address such as bounces@ this domain.",
        )
    if address.needs_smtputf8:
        raise CampaignError(
            "domain.return-path-ascii", "The part before the @ must be ASCII.", action="Use plain letters and digits."
        )
    if len(address.local) > _LOCAL_LENGTH:
        raise CampaignError(
            "domain.return-path-long",
            f"The part before the @ has at most {_LOCAL_LENGTH} characters: each mail adds a mark of its own.",
            action="Use a shorter one, such as bounces.",
        )
    return address.mailbox


def is_one_organisation(one: str, other: str) -> bool:
    """Whether receivers take both A-label domains for one organisation's (relaxed alignment, RFC 7489 §3.1).

    Told by the names alone, so a rare public suffix passes for an organisation; receivers have the last word.
    """
    shared = 0
    for label, counterpart in zip(reversed(one.split(".")), reversed(other.split(".")), strict=False):
        if label != counterpart:
            break
        shared += 1
    *_, second, top = one.split(".")
    return shared >= (3 if len(top) == 2 and second in _REGISTRY_LABELS else 2)
