"""What may be known of readers right now: every switch and every choice, asked in a few queries for many hits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from campaigns.audiences.choices import read_choices
from campaigns.models import Lane, Submission, TrackingLevel
from campaigns.outbox import levels
from campaigns.outbox.tracker import submission_switches
from campaigns.tracking.hit_rows import HitMessage


class Allowed:
    """The levels of some submissions and their readers as they are now; what they were at sending counts no more."""

    def __init__(self, submission_ids: Collection[int], *, messages: Iterable[HitMessage]) -> None:
        rows = Submission.objects.filter(pk__in=submission_ids, lane=Lane.STANDARD)
        self._submissions = {row.pk: row for row in rows.select_related("account", "sender__domain")}
        self._switches = {pk: submission_switches(row) for pk, row in self._submissions.items()}
        self._choices = _read_choices(messages, self._submissions)
        self._levels: dict[tuple[int, int | None], TrackingLevel] = {}

    def of_message(self, message: HitMessage) -> TrackingLevel:
        """What may be kept of a hit of this mail."""
        switches = self._switches.get(message.submission_id)
        if switches is None:
            return TrackingLevel.OFF
        choice = self._choices.get((message.submission_id, message.address_key))
        key = message.submission_id, choice
        if key not in self._levels:
            self._levels[key] = levels.decide_level(switches.of_reader(choice))
        return self._levels[key]

    def of_nobody(self, submission_id: int) -> TrackingLevel:
        """What may be kept of a hit that names nobody."""
        switches = self._switches.get(submission_id)
        return min(levels.ceiling(switches), TrackingLevel.AGGREGATE) if switches else TrackingLevel.OFF

    @property
    def submission_ids(self) -> Collection[int]:
        return self._submissions.keys()

    @property
    def account_ids(self) -> Collection[int]:
        return {row.account_id for row in self._submissions.values()}


def _read_choices(messages: Iterable[HitMessage], submissions: Mapping[int, Submission]) -> dict[tuple[int, str], int]:
    """What the readers chose, by submission and address key."""
    by_account: dict[int, list[HitMessage]] = defaultdict(list)
    for message in messages:
        if message.submission_id in submissions:
            by_account[submissions[message.submission_id].account_id].append(message)
    found: dict[tuple[int, str], int] = {}
    for account_id, some in by_account.items():
        choices = read_choices(account_id, keys=[message.address_key for message in some])
        for message in some:
            if message.address_key in choices:
                found[message.submission_id, message.address_key] = choices[message.address_key]
    return found
