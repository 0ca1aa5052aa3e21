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
    """One kind of way out: its name and a sentence for people, and how to build it from its settings."""

    label: str
    about: str
    build: Callable[[Mapping[str, Any], Keep], Transport]
    leaves_machine: bool = True
    tells_later: bool = False  # whether mails arrived: a provider reports it, a mail server only what does not arrive


def _anymail(name: str) -> Kind:
    label = PROVIDERS[name].label
    return Kind(
        label,
        f"Through your account at {label}.",
        lambda config, _: AnymailTransport(AnymailConfig.from_mapping(name, config)),
        tells_later=True,
    )


KINDS: dict[str, Kind] = {
    "sandbox": Kind(
        "Sandbox: keeps the mail here",
        "For trying out: nobody outside receives anything.",
        lambda _, keep: SandboxTransport(keep),
        leaves_machine=False,
    ),
    "smtp": Kind(
        "SMTP relay",
        "Any mail server that takes your mail, your own or a provider's.",
        lambda config, _: SmtpRelayTransport(RelayConfig.from_mapping(config)),
    ),
    "infobip": Kind(
        "Infobip",
        "Through your account at Infobip, by its email API.",
        lambda config, _: InfobipTransport(InfobipConfig.from_mapping(config)),
        tells_later=True,
    ),
    **{name: _anymail(name) for name in PROVIDERS},
}


def build_transport(kind: str, config: Mapping[str, Any], *, keep: Keep) -> Transport:
    """A transport of the kind; KeyError for an unknown kind, ValueError or KeyError for settings it cannot use."""
    return KINDS[kind].build(config, keep)


def tells_later() -> list[str]:
    """The kinds that report later whether a mail arrived."""
    return [name for name, kind in KINDS.items() if kind.tells_later]
