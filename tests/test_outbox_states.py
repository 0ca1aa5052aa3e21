"""The transition table and what stands on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.models import MessageState as S
from campaigns.outbox import states


def test_every_state_has_a_row_in_the_table() -> None:
    assert set(states.STEPS) == set(S)


def test_a_settled_message_is_never_sent_again() -> None:
    for state in states.SETTLED:
        assert not states.STEPS[state] & states.WAITING


@given(st.lists(st.sampled_from(list(S)), max_size=40))
def test_late_and_repeated_news_never_moves_a_message_backwards(news: list[S]) -> None:
    state, settled = S.QUEUED, False
    for target in news:
        if state.value in states.sources(target):
            state = target
        settled = settled or state in states.SETTLED
        assert not (settled and state in states.WAITING)


@pytest.mark.parametrize("state", [S.BOUNCED, S.REFUSED, S.FAILED, S.CANCELLED, S.EXPIRED])
def test_nothing_follows_an_end(state: S) -> None:
    assert not states.STEPS[state]
