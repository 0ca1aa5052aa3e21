"""Asking: may an account under an agreement use this, and if not, why and what instead."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from campaigns.errors import CampaignError
from compliance.features import commands, fields, jobs, screens, urls
from compliance.features.capabilities import UNLISTED, Capability, load_capabilities


class Kind(StrEnum):
    """Where something is met."""

    SCREEN = "screen"
    URL = "url"
    JOB = "job"
    COMMAND = "command"
    FIELD = "field"


TAGS: Mapping[Kind, Mapping[str, str]] = {
    Kind.SCREEN: screens.TAGS,
    Kind.URL: urls.TAGS,
    Kind.JOB: jobs.TAGS,
    Kind.COMMAND: commands.TAGS,
    Kind.FIELD: fields.TAGS,
}


class NotEligible(CampaignError):
    """An account under an agreement asked for what may not carry protected information."""

    def __init__(self, capability: Capability) -> None:
        super().__init__(
            capability.code,
            f"{capability.label} cannot be used under HIPAA. {capability.reason}",
            action=capability.fix,
            status=403,
        )
        self.capability = capability


def find_capability(kind: Kind, name: str) -> Capability:
    """What a screen, address, job, command or field belongs to; untagged things belong to what is excluded."""
    return load_capabilities().get(TAGS[kind].get(name, ""), UNLISTED)


def check_eligible(key: str, *, baa_status: str) -> None:
    """Raises NotEligible when the account has, had or awaits an agreement and the capability is not eligible."""
    capability = load_capabilities().get(key, UNLISTED)
    if baa_status != "none" and not capability.is_eligible:
        raise NotEligible(capability)


def list_eligibility() -> tuple[Capability, ...]:
    """All capabilities, what is eligible first, then by key: what the page and the endpoint show."""
    return tuple(sorted(load_capabilities().values(), key=lambda one: (not one.is_eligible, one.key)))
