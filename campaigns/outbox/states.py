"""Which state of a message may follow which. Every write of a state goes through this table.

Late or repeated news never moves a message backwards: an update that asks for a step not listed matches no row.
"""

from __future__ import annotations

from campaigns.models import MessageState as S

STEPS: dict[S, frozenset[S]] = {
    # To `sent` when the other side tells about it: an attempt whose answer got lost had been accepted.
    S.QUEUED: frozenset({S.SENDING, S.SENT, S.HELD, S.CANCELLED, S.EXPIRED}),
    S.HELD: frozenset({S.QUEUED, S.SENT, S.CANCELLED, S.EXPIRED}),
    S.SENDING: frozenset({S.SENT, S.QUEUED, S.HELD, S.REFUSED, S.FAILED, S.BOUNCED, S.EXPIRED}),
    S.SENT: frozenset({S.DELIVERED, S.BOUNCED}),
    S.DELIVERED: frozenset({S.BOUNCED}),  # some systems accept, deliver, and bounce later
    S.BOUNCED: frozenset(),
    S.REFUSED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
    S.EXPIRED: frozenset(),
}
WAITING = frozenset({S.QUEUED, S.HELD, S.SENDING})
SETTLED = frozenset(S) - WAITING


def sources(target: S) -> list[str]:
    """The states from which a message may step to target, for the WHERE of an update."""
    return [state.value for state, targets in STEPS.items() if target in targets]
