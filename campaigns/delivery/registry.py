"""Every kind of transport, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.delivery.anymail import AnymailConfig, AnymailTransport
from campaigns.delivery.anymail_kinds import PROVIDERS
from campaigns.delivery.base import Keep, Transport
from campaigns.delivery.infobip import InfobipConfig, InfobipTransport
from campaigns.delivery.sandbox import SandboxTransport
from campaigns.delivery.smtp_relay import RelayConfig, SmtpRelayTransport


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of way out: its name for people and how to build it from its settings."""

    label: str
    build: Callable[[Mapping[str, Any], Keep], Transport]
    leaves_machine: bool = True


def _anymail(name: str) -> Kind:
    return Kind(PROVIDERS[name].label, lambda config, _: AnymailTransport(AnymailConfig.from_mapping(name, config)))


KINDS: dict[str, Kind] = {
    "sandbox": Kind("Sandbox: keeps the mail here", lambda _, keep: SandboxTransport(keep), leaves_machine=False),
    "infobip": Kind("Infobip", lambda config, _: InfobipTransport(InfobipConfig.from_mapping(config))),
    "smtp": Kind("SMTP relay", lambda config, _: SmtpRelayTransport(RelayConfig.from_mapping(config))),
    **{name: _anymail(name) for name in PROVIDERS},
}


def build_transport(kind: str, config: Mapping[str, Any], *, keep: Keep) -> Transport:
    """A transport of the kind; KeyError for an unknown kind, ValueError or KeyError for settings it cannot use."""
    return KINDS[kind].build(config, keep)
