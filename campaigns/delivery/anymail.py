"""Every other provider, through django-anymail's backends: one mail a request, several requests at once.

Credentials are given to each backend and nothing is read from settings (ANYMAIL stays empty), so a missing one is an
error and never another account's key. The HTTP session is ours (campaigns.net.http): its limits and its guard hold here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.encoders import encode_base64
from email.mime.base import MIMEBase
from typing import Any, cast

from anymail.backends.base_requests import AnymailRequestsBackend
from anymail.exceptions import AnymailAPIError, AnymailConfigurationError, AnymailError, AnymailRecipientsRefused
from anymail.message import AnymailStatus
from django.core.mail import EmailMultiAlternatives, get_connection

from campaigns.delivery import answers
from campaigns.delivery.anymail_kinds import PROVIDERS, Provider
from campaigns.delivery.base import EnclosedFile, Leaving, Outcome, OutgoingEmail, Receipt, TransportError, note_nothing
from campaigns.delivery.lanes import Answer, Batch, Lanes, read_connections
from campaigns.delivery.merging import content_of, merge_content, sender_of
from campaigns.errors import CampaignError
from campaigns.net import http
from campaigns.net.destinations import check_base_url

AREA = "provider"
METADATA = "message"  # under this name our public id goes along, and comes back with every event


@dataclass(frozen=True, slots=True, repr=False)
class AnymailConfig:
    """A provider, what it needs to know us, and how many requests may be on their way at once."""

    provider: Provider
    credentials: Mapping[str, str]
    api_url: str = ""
    connections: int = 10
    tracking: bool = False
    silence: float = http.SILENCE_SECONDS

    @classmethod
    def from_mapping(cls, kind: str, values: Mapping[str, Any]) -> AnymailConfig:
        """Raises KeyError or ValueError; every credential must be there."""
        provider = PROVIDERS[kind]
        credentials = {entry.name: str(values[entry.name]) for entry in provider.credentials}
        if not all(text and text.isascii() and text.isprintable() for text in credentials.values()):
            raise ValueError("no header can carry this credential")
        try:
            api_url = check_base_url(str(values["api_url"])) + "/" if values.get("api_url") else ""
        except CampaignError as error:
            raise ValueError(error.code) from None
        return cls(
            provider=provider,
            credentials=credentials,
            api_url=api_url,
            connections=read_connections(values),
            tracking=bool(values.get("tracking", False)),
            silence=float(values.get("silence", http.SILENCE_SECONDS)),
        )


class AnymailTransport:
    """Sends mail by mail over up to `connections` kept connections."""

    takes_content = True

    def __init__(self, config: AnymailConfig) -> None:
        self._lanes = Lanes(lambda: _Asker(config), limit=config.connections)

    def send(self, emails: Iterable[OutgoingEmail], *, leaving: Leaving = note_nothing) -> Iterator[Receipt | None]:
        yield from self._lanes.send((Batch([email]) for email in emails), leaving=leaving)

    def close(self) -> None:
        self._lanes.close()


class _Asker:
    """One backend of anymail over one kept connection."""

    def __init__(self, config: AnymailConfig) -> None:
        self._config = config
        options: dict[str, Any] = {**config.credentials, **({"api_url": config.api_url} if config.api_url else {})}
        self._backend = cast("AnymailRequestsBackend", get_connection(config.provider.backend, **options))
        # It opens none of its own when it has one.
        self._backend.session = http.Session(silence=config.silence)

    def close(self) -> None:
        self._backend.close()

    def ask(self, batch: Batch) -> Answer:
        (email,) = batch.mails
        try:
            message = self._message(email)
            if message is None:
                return answers.same_for_all(batch, Outcome.REJECTED, f"{AREA}.braces")
            self._backend.send_messages([message])
        except AnymailRecipientsRefused:
            # The message has the status, too.
            pass
        except AnymailAPIError as error:
            return _judge(batch, error)
        except AnymailConfigurationError:
            text = "The settings of this way to send cannot be used."
            return answers.give_up(batch, TransportError("transport.misconfigured", text, permanent=True))
        except AnymailError:
            # Something in this mail that the provider has no field for; nothing was sent.
            return answers.same_for_all(batch, Outcome.REJECTED, f"{AREA}.unsupported")
        return _read_status(batch, message.anymail_status)

    def _message(self, email: OutgoingEmail) -> Any:
        """The mail as Django's, with what anymail reads; None when the provider would misread it."""
        provider, shared, content = self._config.provider, content_of(email), merge_content(email)
        if provider.reads_braces and "{{" in content:
            return None
        message = EmailMultiAlternatives(
            subject=content.subject,
            body=content.text,
            from_email=sender_of(shared),
            to=[email.rcpt_to],
            reply_to=[shared.reply_to] if shared.reply_to else [],
            headers=dict((*shared.headers, *email.headers)),
        )
        if content.html:
            message.attach_alternative(content.html, "text/html")
        for file in shared.files:
            _attach(message, file)
        extras: dict[str, Any] = {"metadata": {METADATA: str(email.public_id)}}
        if provider.tracks:
            extras |= {"track_opens": self._config.tracking, "track_clicks": self._config.tracking}
        vars(message).update(extras)
        return message


def _attach(message: EmailMultiAlternatives, file: EnclosedFile) -> None:
    """A file, or an image the HTML shows as `cid:<content_id>`."""
    if not file.content_id:
        message.attach(file.name, file.data, file.media_type)
        return
    main, _, sub = file.media_type.partition("/")
    part = MIMEBase(main, sub or "octet-stream")
    part.set_payload(file.data)
    encode_base64(part)
    part["Content-ID"] = f"<{file.content_id}>"
    part.add_header("Content-Disposition", "inline", filename=file.name)
    message.attach(part)


def _read_status(batch: Batch, status: AnymailStatus) -> Answer:
    """The one recipient's status in anymail's words."""
    known = status.status or set()
    if known and known <= {"sent", "queued"}:
        return answers.same_for_all(batch, Outcome.ACCEPTED, "")
    refused = known & {"invalid", "rejected", "failed"}
    if refused:
        return answers.same_for_all(batch, Outcome.REJECTED, f"{AREA}.{min(refused)}")
    return _judge_http(batch, status.esp_response)


def _judge(batch: Batch, error: AnymailAPIError) -> Answer:
    if error.response is None and error.__cause__ is not None:
        return answers.judge_silence(batch, http.as_net_error(error.__cause__), area=AREA)
    return _judge_http(batch, error.response)


def _judge_http(batch: Batch, response: Any) -> Answer:
    if response is None or 200 <= response.status_code < 300:
        # It said yes in words nobody understands.
        return answers.same_for_all(batch, Outcome.UNKNOWN, f"{AREA}.outcome-unknown")
    wait = http.read_retry_after(response.headers.get("Retry-After", ""))
    failure = answers.judge_failure(batch, status=response.status_code, retry_after=wait, area=AREA)
    return failure or answers.same_for_all(batch, Outcome.REJECTED, f"{AREA}.http-{response.status_code}")
