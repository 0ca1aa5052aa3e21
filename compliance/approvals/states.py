"""The life of one approval: a pure table of steps. Every write of a state goes through it.

A draft has no approval yet; whatever ends one leads back to the draft, which must be submitted anew.

    in-review ──approve──▶ approved ──start──▶ sending ──finish──▶ sent
        │ reject              │ void, expire      │ stop ▲ resume
        ▼                     ▼                   ▼      │
    rejected, voided, expired (the end)          stopped ┘
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    IN_REVIEW = "in-review"
    APPROVED = "approved"
    SENDING = "sending"
    STOPPED = "stopped"
    SENT = "sent"
    REJECTED = "rejected"
    VOIDED = "voided"
    EXPIRED = "expired"


class Step(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    VOID = "void"
    EXPIRE = "expire"
    START = "start"
    STOP = "stop"
    RESUME = "resume"
    FINISH = "finish"


_STEPS: dict[State, dict[Step, State]] = {
    State.IN_REVIEW: {
        Step.APPROVE: State.APPROVED,
        Step.REJECT: State.REJECTED,
        Step.VOID: State.VOIDED,
        Step.EXPIRE: State.EXPIRED,
    },
    State.APPROVED: {Step.START: State.SENDING, Step.VOID: State.VOIDED, Step.EXPIRE: State.EXPIRED},
    # What is on its way does not expire: the messages have a time limit of their own.
    State.SENDING: {Step.FINISH: State.SENT, Step.STOP: State.STOPPED, Step.VOID: State.VOIDED},
    State.STOPPED: {Step.RESUME: State.SENDING, Step.VOID: State.VOIDED},
    State.SENT: {},
    State.REJECTED: {},
    State.VOIDED: {},
    State.EXPIRED: {},
}

LIVE = frozenset(state for state, steps in _STEPS.items() if steps)
ENDED = frozenset(State) - LIVE


def after(state: State, step: Step) -> State | None:
    """The state a step leads to, or None when it cannot be taken from here."""
    return _STEPS[state].get(step)


def sources(step: Step) -> list[str]:
    """The states from which a step can be taken, for the WHERE of an update."""
    return [state.value for state, steps in _STEPS.items() if step in steps]
