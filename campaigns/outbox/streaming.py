"""The stream of a way out as work for a slice: mails of many requests, each by its own content and its own limits."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models.functions import Length
from django.utils import timezone

from campaigns.audiences import preferences, suppression
from campaigns.delivery.base import OutgoingEmail
from campaigns.errors import CampaignError
from campaigns.models import MessageState, Purpose, Submission, SubmissionState, Transport
from campaigns.outbox import breaker, claim, control, finish, holds, stream, throttle, transports, windows
from campaigns.outbox.claim import Claimed
from campaigns.outbox.custody import open_claimed
from campaigns.outbox.intake import SOON, Wait
from campaigns.outbox.prepare import Preparer, Prepares
from campaigns.outbox.record import Result
from campaigns.outbox.slowing import Slowdowns
from compliance import gate, vault
from compliance.models import Approval
from compliance.standing import Hold

LINGER = timedelta(seconds=1.5)
_LOOK_EVERY = timedelta(milliseconds=50)
_PAYLOADS_AT_ONCE = 24 * 1024 * 1024  # bytes of sealed content in memory
_PREPARERS_KEPT = 64


class StreamWork:
    """All due mails of API requests that leave by one transport."""

    def __init__(self, transport: Transport, *, linger: timedelta = LINGER) -> None:
        self.transport, self._linger = transport, linger
        self.is_protected = holds.is_protected(transport.account)
        self.counted: int | None = None  # a request has a thousand messages at most
        self._shelf = _Shelf()
        self._intake: StreamIntake | None = None

    def open_intake(self, *, worker: str) -> StreamIntake:
        stream.promise(self.transport.pk, now=timezone.now())
        self._intake = StreamIntake(self.transport, shelf=self._shelf, worker=worker, linger=self._linger)
        return self._intake

    def open_preparer(self, *, takes_content: bool) -> StreamPreparer:
        return StreamPreparer(self._shelf, takes_content=takes_content)

    def refusal(self, preparer: Prepares) -> str:
        del preparer
        return ""  # one request that is refused must not stop the others

    def find_hold(self) -> Hold | None:
        if not self.is_protected:
            return None
        return holds.find_account_hold(self.transport.account_id, transport=self.transport, now=timezone.now())

    def may_go_on(self, now: float) -> bool:
        del now
        stream.promise(self.transport.pk, now=timezone.now())
        self._shelf.look_for_stopped()
        return self.find_hold() is None

    def is_stopped(self, message: Claimed) -> bool:
        return message.submission_id in self._shelf.stopped

    def note_recorded(self, submission_ids: Collection[int]) -> None:
        finish.finish_submissions(now=timezone.now(), only=submission_ids)
        self._shelf.forget(submission_ids)

    def void_approval(self) -> None:
        raise AssertionError("requests of programs leave without approvals")

    def wait(self, until: datetime, because: str) -> None:
        del until, because  # every message has its own time; a broken way out is asked by the sweep

    def stop(self, because: str) -> None:
        """Programs wait for no person: the way out is closed for a while, and its page says why."""
        breaker.note_broken(self.transport, now=timezone.now(), because=because)

    def end_promise(self) -> None:
        stream.end_promise(self.transport.pk)

    def close(self) -> None:
        if self._shelf.stopped:
            control.cancel_released(now=timezone.now(), only=self._shelf.stopped)


class _Shelf:
    """The submissions of the messages in hand, without their content; which of them were stopped meanwhile."""

    def __init__(self) -> None:
        self._rows: dict[int, Submission] = {}
        self.stopped: set[int] = set()

    def load(self, submission_ids: Iterable[int]) -> None:
        missing = set(submission_ids) - self._rows.keys()
        if not missing:
            return
        rows = Submission.objects.filter(pk__in=missing).select_related(
            "account", "content__template", "domain", "sender", "transport"
        )
        for row in rows.defer("payload_sealed").annotate(payload_size=Length("payload_sealed")):
            self._rows[row.pk] = row

    def get(self, submission_id: int) -> Submission:
        return self._rows[submission_id]

    def size_of(self, submission_id: int) -> int:
        return int(getattr(self._rows[submission_id], "payload_size", 0) or 0)

    def forget(self, submission_ids: Collection[int]) -> None:
        """Only after more than a few batches: most come back with the next message."""
        if len(self._rows) > 4 * claim.BATCH:
            for pk in submission_ids:
                self._rows.pop(pk, None)

    def look_for_stopped(self) -> None:
        if not self._rows:
            return
        states = Submission.objects.filter(pk__in=self._rows).exclude(state=SubmissionState.OPEN)
        gone = {SubmissionState.PAUSED, SubmissionState.CANCELLED}
        self.stopped |= {pk for pk, state in states.values_list("pk", "state") if state in gone}


class StreamIntake:
    """Claims of one worker in a stream, as far as windows and limits let them through."""

    def __init__(self, transport: Transport, *, shelf: _Shelf, worker: str, linger: timedelta) -> None:
        self.wait: Wait | None = None
        self._linger = linger
        self._transport, self._shelf, self._worker = transport, shelf, worker
        self._shared = throttle.open_stream_limits(transport)
        self._by_domain: dict[int, throttle.Limits] = {}
        self._slowdowns = Slowdowns(transport.pk)
        self._unused = 0
        self._busy_at = timezone.now()

    def take(self, limit: int) -> list[Claimed]:
        """Up to limit mails that may leave now; [] when nothing is due or `wait` says until when."""
        now = timezone.now()
        self.wait = None
        self.give_back()
        grant = self._shared.take(limit, now=now)
        if not grant.count:
            assert grant.retry_at is not None
            self.wait = Wait(grant.retry_at, grant.because)
            return []
        claimed = claim.claim_stream(self._transport.pk, worker=self._worker, now=now, limit=grant.count)
        if not claimed:
            self._shared.give_back(grant.count, now=now)
            self.wait = self._next(now)
            return []
        self._busy_at = now
        self._shelf.load(message.submission_id for message in claimed)
        free = self._put_off(claimed, now=now)
        self._shared.give_back(grant.count - len(free), now=now)
        if not free:
            self.wait = Wait(now, "")
        return free

    def note_unused(self, count: int) -> None:
        """So many of the messages taken did not leave after all."""
        self._unused += count

    def give_back(self) -> None:
        if self._unused:
            self._shared.give_back(self._unused, now=timezone.now())
        self._unused = 0

    def _next(self, now: datetime) -> Wait | None:
        if now - self._busy_at < self._linger:
            return Wait(now + _LOOK_EVERY, "")
        at = stream.next_due(self._transport.pk)
        return None if at is None or not now < at <= now + SOON else Wait(at, "")

    def _put_off(self, claimed: list[Claimed], *, now: datetime) -> list[Claimed]:
        """Those who may leave now; the others are put back, each with its own time."""
        later: dict[int, datetime] = {}
        groups: dict[int, list[Claimed]] = defaultdict(list)
        for message in claimed:
            submission = self._shelf.get(message.submission_id)
            week = windows.read_week(submission.options)
            opens = week.opens_at(now) if week is not None else None
            if opens is not None:
                later[message.id] = opens
            else:
                groups[submission.domain_id or 0].append(message)
        for domain_id, messages in groups.items():
            later |= self._limited(domain_id, messages, now=now)
        if later:
            claim.postpone_claims(later, worker=self._worker)
        return [message for message in claimed if message.id not in later]

    def _limited(self, domain_id: int, messages: list[Claimed], *, now: datetime) -> dict[int, datetime]:
        """When those come back that the limits of their sender's domain or of their recipients' domains hold."""
        limits = self._limits_of(domain_id, messages[0])
        if limits.limits_nothing(now):
            return {}
        grant = limits.take(len(messages), now=now)
        later = {message.id: grant.retry_at for message in messages[grant.count :] if grant.retry_at is not None}
        free = messages[: grant.count]
        moments = limits.later([message.recipient_domain for message in free], now=now)
        later |= {message.id: at for message, at in zip(free, moments, strict=True) if at is not None}
        return later

    def _limits_of(self, domain_id: int, message: Claimed) -> throttle.Limits:
        if domain_id not in self._by_domain:
            submission = self._shelf.get(message.submission_id)
            self._by_domain[domain_id] = throttle.open_domain_limits(
                submission.domain, account=submission.account, slowdowns=self._slowdowns
            )
        return self._by_domain[domain_id]


class StreamPreparer:
    """Prepares messages of many submissions; contents are opened a few at a time, whatever their size."""

    def __init__(self, shelf: _Shelf, *, takes_content: bool) -> None:
        self._shelf, self._takes_content = shelf, takes_content
        self._preparers: OrderedDict[int, Preparer] = OrderedDict()
        self._decided: list[gate.Decided] = []
        self._ahead: list[int] = []

    def submission_of(self, message: Claimed) -> Submission:
        return self._shelf.get(message.submission_id)

    def approval_of(self, message: Claimed) -> Approval | None:
        del message
        return None  # programs send under their account's agreement, not under approvals of single sends

    def receive(self, messages: list[Claimed]) -> list[Claimed]:
        try:
            return open_claimed(messages, submission_of=self.submission_of)
        except vault.KeysUnavailable:
            raise transports.keys_unavailable() from None

    def blocked(self, messages: Sequence[Claimed]) -> dict[int, str]:
        """Who must not be written to now, by message: one query for each purpose, and each sender of marketing (UN-11)."""
        self._ahead = list(dict.fromkeys(message.submission_id for message in messages))
        groups: dict[tuple[str, str], list[Claimed]] = defaultdict(list)
        for message in messages:
            submission = self.submission_of(message)
            sender = submission.sender_address if submission.purpose == Purpose.MARKETING else ""
            groups[submission.purpose, sender].append(message)
        found: dict[int, str] = {}
        for (purpose, sender), group in groups.items():
            keys = [message.address_key for message in group]
            account_id = self.submission_of(group[0]).account_id
            verdicts = suppression.blocked(account_id, keys=keys, purpose=purpose, list_ids=[], from_address=sender)
            found |= {m.id: verdicts[m.address_key] for m in group if m.address_key in verdicts}
            if purpose == Purpose.MARKETING:
                found |= self._too_often([message for message in group if message.id not in found])
        return found

    def _too_often(self, messages: Sequence[Claimed]) -> dict[int, str]:
        """Each request is a mail of its own for somebody who wants them less often."""
        found: dict[int, str] = {}
        for message in messages:
            verdict = preferences.too_often(
                self.submission_of(message).account_id,
                keys=[message.address_key],
                submission_id=message.submission_id,
                now=timezone.now(),
            )
            found |= dict.fromkeys([message.id] if verdict else [], preferences.TOO_OFTEN)
        return found

    def prepare(self, message: Claimed, *, block: str) -> OutgoingEmail | Result:
        try:
            preparer = self._preparer(message.submission_id)
        except CampaignError as error:
            return Result(message.id, MessageState.FAILED, error.code)
        return preparer.prepare(message, block=block)

    def copy_of(self, message: Claimed) -> bytes:
        return self._preparer(message.submission_id).copy_of(message)

    def decisions(self) -> list[gate.Decided]:
        return [*self._decided, *(entry for preparer in self._preparers.values() for entry in preparer.decisions())]

    def forget_decisions(self) -> None:
        self._decided = []
        for preparer in self._preparers.values():
            preparer.forget_decisions()

    def _preparer(self, submission_id: int) -> Preparer:
        found = self._preparers.get(submission_id)
        if found is None:
            self._fetch_contents(submission_id)
            found = Preparer(self._shelf.get(submission_id), takes_content=self._takes_content)
            self._preparers[submission_id] = found
            while len(self._preparers) > _PREPARERS_KEPT:
                _, oldest = self._preparers.popitem(last=False)
                self._decided += oldest.decisions()
        return found

    def _fetch_contents(self, submission_id: int) -> None:
        """Read the sealed contents that come next, in one query for as many as memory has room for."""
        if "payload_sealed" in vars(self._shelf.get(submission_id)):
            return
        self._drop_contents()
        chosen, room = [submission_id], _PAYLOADS_AT_ONCE - self._shelf.size_of(submission_id)
        place = self._ahead.index(submission_id) + 1 if submission_id in self._ahead else len(self._ahead)
        for pk in self._ahead[place:]:
            room -= self._shelf.size_of(pk)
            if room < 0:
                break
            chosen.append(pk)
        rows = Submission.objects.filter(pk__in=chosen).values_list("pk", "payload_sealed")
        for pk, sealed in rows:
            self._shelf.get(pk).payload_sealed = sealed

    def _drop_contents(self) -> None:
        for pk in self._ahead:
            vars(self._shelf.get(pk)).pop("payload_sealed", None)
