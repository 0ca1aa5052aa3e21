"""Headers by which a mail itself says how it is to be sent: X-IB-… and X-Infobip-… (infobip.md §4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.content.mail_head import Field, MailRefused, decode_words
from campaigns.errors import CampaignError
from campaigns.net.destinations import check_public_url

PREFIXES = ("x-ib-", "x-infobip-")
LONGEST_CALLBACK_DATA = 4_000
_YES, _NO = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_CONTENT_TYPES = frozenset({"application/json", "application/xml"})


@dataclass(frozen=True, slots=True, repr=False)
class Controls:
    """How to send a mail, as its own headers say; empty and None where they say nothing."""

    bulk_id: str = ""
    message_id: str = ""
    tracking_url: str = ""
    notify_url: str = ""
    notify_content_type: str = "application/json"
    intermediate_report: bool = False
    callback_data: str = ""
    track_opens: bool | None = None
    track_clicks: bool | None = None
    application_id: str = ""
    entity_id: str = ""
    campaign_reference: str = ""
    pool: str = ""


def is_control(entry: Field) -> bool:
    """Whether the field is for us alone and leaves with no mail."""
    return entry.key.startswith(PREFIXES)


def read_controls(fields: Iterable[Field]) -> Controls:
    """The controls among the fields; those with names nobody knows say nothing. Raises MailRefused."""
    given: dict[str, str] = {}
    for entry in fields:
        if not is_control(entry):
            continue
        name = re.sub(r"[-_]", "", entry.key.removeprefix("x-ib-").removeprefix("x-infobip-"))
        if name in given:
            raise refuse_control(entry.name)
        given[name] = decode_words(entry.text)
    read = {field: reader(given[name]) for name, (field, reader) in _READERS.items() if given.get(name)}
    track = read.pop("track", None)
    return Controls(**{"track_opens": track, "track_clicks": track, **read})


def refuse_control(name: str) -> MailRefused:
    """What to raise for a header, or the field of a request, whose value is of no use; `name` is ours, not theirs."""
    return MailRefused(
        "control.invalid", f"The value of {name} cannot be used.", action=f"Correct {name}, or leave it out."
    )


def _text(name: str, longest: int) -> Callable[[str], str]:
    def read(value: str) -> str:
        if len(value) > longest or not value.isprintable():
            raise refuse_control(name)
        return value

    return read


def _url(name: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        try:
            return check_public_url(value)
        except CampaignError:
            raise refuse_control(name) from None

    return read


def _flag(name: str) -> Callable[[str], bool]:
    def read(value: str) -> bool:
        if value.lower() not in _YES | _NO:
            raise refuse_control(name)
        return value.lower() in _YES

    return read


def _content_type(value: str) -> str:
    if value.lower() not in _CONTENT_TYPES:
        raise refuse_control("X-IB-notify-content-type")
    return value.lower()


_READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "bulkid": ("bulk_id", _text("X-IB-bulk-id", 100)),
    "messageid": ("message_id", _text("X-IB-message-id", 200)),
    "trackingurl": ("tracking_url", _url("X-IB-tracking-url")),
    "notifyurl": ("notify_url", _url("X-IB-notify-url")),
    "notifycontenttype": ("notify_content_type", _content_type),
    "intermediatereport": ("intermediate_report", _flag("X-IB-intermediate-report")),
    "callbackdata": ("callback_data", _text("X-IB-callback-data", LONGEST_CALLBACK_DATA)),
    "track": ("track", _flag("X-IB-track")),
    "trackopens": ("track_opens", _flag("X-IB-track-opens")),
    "trackclicks": ("track_clicks", _flag("X-IB-track-clicks")),
    "applicationid": ("application_id", _text("X-IB-application-id", 255)),
    "entityid": ("entity_id", _text("X-IB-entity-id", 255)),
    "campaignreferenceid": ("campaign_reference", _text("X-IB-campaign-reference-id", 255)),
    "ippoolid": ("pool", _text("X-IB-ip-pool-id", 100)),
}
