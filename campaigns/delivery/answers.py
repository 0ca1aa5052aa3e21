"""What an HTTP answer means for the mails of a request, the same for every provider."""

from __future__ import annotations

from campaigns.delivery.base import Outcome, Receipt, TransportError
from campaigns.delivery.lanes import Answer, Batch
from campaigns.net.destinations import NetError

MOST_TRIES = 4  # of a request that is turned away by 429 or 503
LONGEST_PAUSE = 10.0  # seconds we wait in place when told to; for more, other mail goes first
_TURNED_AWAY = {408, 425, 429, 503}
_LOGIN = {401, 403}
_NO_CREDIT = {402}
_NOT_THERE = {404, 405, 406, 410, 415, 501}
# Something broke after the request had arrived: it may have been taken.
_IN_DOUBT = {500, 502, 504}


def judge_failure(batch: Batch, *, status: int, retry_after: float | None, area: str) -> Answer | None:
    """What a status beyond 2xx says about all mails of a request; None for a 4xx that is about these very mails."""
    if status in _TURNED_AWAY:
        return _turned_away(batch, retry_after=retry_after, code=f"{area}.http-{status}")
    if status in _LOGIN:
        text = "The provider refuses the API key, or the key may not send email."
        return give_up(batch, TransportError("transport.login-refused", text, permanent=True))
    if status in _NO_CREDIT:
        text = "The provider refuses to send until the account there has credit again."
        return give_up(batch, TransportError("transport.provider-refuses", text, permanent=True))
    if status in _NOT_THERE or status < 400:
        text = "The provider does not offer its email API at this address."
        return give_up(batch, TransportError("transport.misconfigured", text, permanent=True))
    if status < 500:
        return None
    if status in _IN_DOUBT:
        return same_for_all(batch, Outcome.UNKNOWN, f"{area}.outcome-unknown")
    return same_for_all(batch, Outcome.DEFERRED, f"{area}.http-{status}")


def judge_silence(batch: Batch, error: NetError, *, area: str) -> Answer:
    """What it means that no usable answer came."""
    if error.left:
        return same_for_all(batch, Outcome.UNKNOWN, f"{area}.outcome-unknown")
    if error.code == "net.certificate-invalid":
        text = "The certificate of the provider is not valid for its name."
        return give_up(batch, TransportError("transport.certificate-invalid", text, permanent=True))
    if error.code in {"net.address-refused", "net.address-unusable"}:
        text = "The address of the provider cannot be used."
        return give_up(batch, TransportError("transport.misconfigured", text, permanent=True))
    return give_up(batch, TransportError("transport.unreachable", "The provider does not answer."))


def give_up(batch: Batch, error: TransportError, *, code: str = "") -> Answer:
    """The way out does not work; nobody accepted these mails."""
    return Answer(same_for_all(batch, Outcome.DEFERRED, code or error.code).receipts, error=error)


def same_for_all(batch: Batch, outcome: Outcome, code: str) -> Answer:
    return Answer([Receipt(mail.id, outcome, code) for mail in batch.mails])


def _turned_away(batch: Batch, *, retry_after: float | None, code: str) -> Answer:
    """Nothing was accepted: the same request again after a while, or later altogether."""
    pause = 2.0**batch.tries if retry_after is None else retry_after
    if pause <= LONGEST_PAUSE and batch.tries + 1 < MOST_TRIES:
        return Answer(again=[Batch(batch.mails, batch.tries + 1)], pause=pause)
    return give_up(batch, TransportError("transport.busy", "The provider asks us to send later."), code=code)
