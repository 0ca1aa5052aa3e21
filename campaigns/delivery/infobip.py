"""Infobip by its Email API: many mails a request, several requests at once over kept connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.delivery import answers, infobip_wire
from campaigns.delivery.base import (
    MOST_UNANSWERED,
    Leaving,
    Outcome,
    OutgoingEmail,
    Receipt,
    TransportError,
    note_nothing,
)
from campaigns.delivery.lanes import Answer, Batch, Lanes, read_connections
from campaigns.errors import CampaignError
from campaigns.net import http
from campaigns.net.destinations import NetError, check_base_url

# A request that times out leaves all its mails in doubt, and a pause takes effect after the requests on their way:
# far less than the 1,000 recipients Infobip takes.
MAILS_PER_REQUEST = 100
MOST_MAILS_PER_REQUEST = 1000
REQUEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class InfobipConfig:
    """Where the API is and its key. `report_url` is told to Infobip with every mail."""

    base_url: str
    api_key: str
    connections: int = 10
    mails_per_request: int = MAILS_PER_REQUEST
    tracking: bool = False
    report_url: str = ""
    silence: float = http.SILENCE_SECONDS

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> InfobipConfig:
        """Raises KeyError or ValueError."""
        try:
            base_url = check_base_url(str(values["base_url"]))
        except CampaignError as error:
            raise ValueError(error.code) from None
        key = str(values["api_key"])
        if not (key and key.isascii() and key.isprintable()):
            raise ValueError("no header can carry this key")
        connections = read_connections(values)
        most = min(MOST_MAILS_PER_REQUEST, MOST_UNANSWERED // connections)
        return cls(
            base_url=base_url,
            api_key=key,
            connections=connections,
            mails_per_request=min(int(values.get("mails_per_request", MAILS_PER_REQUEST)), most),
            tracking=bool(values.get("tracking", False)),
            report_url=str(values.get("report_url", "")),
            silence=float(values.get("silence", http.SILENCE_SECONDS)),
        )


class InfobipTransport:
    """Sends batches over up to `connections` connections at once."""

    takes_content = True

    def __init__(self, config: InfobipConfig) -> None:
        self._config = config
        self._lanes = Lanes(lambda: _Asker(config), limit=config.connections)

    def send(self, emails: Iterable[OutgoingEmail], *, leaving: Leaving = note_nothing) -> Iterator[Receipt | None]:
        yield from self._lanes.send(self._batches(emails), leaving=leaving)

    def close(self) -> None:
        self._lanes.close()

    def _batches(self, emails: Iterable[OutgoingEmail]) -> Iterator[Batch]:
        mails: list[OutgoingEmail] = []
        size = 0
        for email in emails:
            mails.append(email)
            size += _length(email)
            if len(mails) >= self._config.mails_per_request or size >= REQUEST_BYTES:
                yield Batch(mails)
                mails, size = [], 0
        if mails:
            yield Batch(mails)


def _length(email: OutgoingEmail) -> int:
    shared = email.shared
    if shared is None:
        return 0
    return len(shared.html) + len(shared.text) + sum(len(file.data) for file in shared.files) * 4 // 3


class _Asker:
    """One kept connection."""

    def __init__(self, config: InfobipConfig) -> None:
        self._config = config
        self._session = http.Session(silence=config.silence)
        self._headers = {
            "Authorization": f"App {config.api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def close(self) -> None:
        self._session.close()

    def ask(self, batch: Batch) -> Answer:
        carried = [mail for mail in batch.mails if infobip_wire.is_carried(mail)]
        ids = {mail.id for mail in carried}
        refused = [
            Receipt(mail.id, Outcome.REJECTED, infobip_wire.BRACES) for mail in batch.mails if mail.id not in ids
        ]
        if not carried:
            return Answer(refused)
        answer = self._ask(Batch(carried, batch.tries))
        return Answer((*refused, *answer.receipts), answer.again, answer.pause, answer.error)

    def _ask(self, batch: Batch) -> Answer:
        config = self._config
        groups = infobip_wire.group_mails(batch.mails)
        body = infobip_wire.build_request(groups, report_url=config.report_url, tracking=config.tracking)
        url = config.base_url + infobip_wire.PATH
        try:
            answer = http.ask(self._session, "POST", url, body=body, headers=self._headers)
        except NetError as error:
            # After a time-out the same message ids go again, and Infobip tells when it has them (status 23).
            return answers.judge_silence(batch, error, area=infobip_wire.AREA)
        if 200 <= answer.status < 300:
            return _taken(batch, answer)
        failure = answers.judge_failure(
            batch, status=answer.status, retry_after=answer.retry_after(), area=infobip_wire.AREA
        )
        return failure or _refused(batch, groups, answer)


def _taken(batch: Batch, answer: http.Answer) -> Answer:
    judged = list(infobip_wire.read_receipts(batch.mails, answer))
    stop = next((text for _, text in judged if text), "")
    error = TransportError("transport.provider-refuses", stop, permanent=True) if stop else None
    return Answer([receipt for receipt, _ in judged], error=error)


def _refused(batch: Batch, groups: Sequence[Sequence[OutgoingEmail]], answer: http.Answer) -> Answer:
    bad, again = infobip_wire.split_refused(batch, groups, answer)
    return Answer([Receipt(mail.id, Outcome.REJECTED, f"infobip.http-{answer.status}") for mail in bad], again)
