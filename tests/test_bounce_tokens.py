"""Return paths that say which message bounced (VERP)."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from campaigns import addresses, tokens
from campaigns.models import Domain, Submission
from campaigns.outbox import claim, render
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list


@given(st.uuids())
def test_a_token_reads_back_in_any_case(message: UUID) -> None:
    """DS-05: a mailer may change the case of a local part."""
    token = tokens.bounce_token(message)
    assert tokens.read_bounce_token(token) == tokens.read_bounce_token(token.upper()) == message
    assert len(token) == 40
    assert token.isalnum()


@given(st.text(max_size=60))
def test_a_token_that_is_not_ours_says_nothing(token: str) -> None:
    """DS-06."""
    assert tokens.read_bounce_token(token) is None


@pytest.mark.parametrize("at", range(40))
def test_a_changed_token_says_nothing(at: int) -> None:
    """DS-06."""
    token = tokens.bounce_token(uuid4())
    changed = token[:at] + ("a" if token[at] != "a" else "b") + token[at + 1 :]
    assert tokens.read_bounce_token(changed) is None


@pytest.mark.django_db
def test_each_message_has_its_own_return_path_where_the_domain_has_one() -> None:
    """DS-05: VERP; the local part stays within 64 octets (SM-01)."""
    account = make_account()
    readers = make_list(account)
    for _ in range(2):
        make_contact(account, lists=[readers])
    submission = sending.send_now(make_campaign(account, lists=[readers]))
    fanout.plan_submission(submission.pk)
    messages = claim.claim_messages(submission.pk, worker="w:1", now=timezone.now())
    assert submission.sender is not None
    assert return_paths(submission, messages) == {submission.sender.email}
    Domain.objects.update(return_path="bounces@mail.example.org")
    paths = [addresses.parse(path) for path in return_paths(submission, messages)]
    assert {(path.local.partition("+")[0], path.domain) for path in paths} == {("bounces", "mail.example.org")}
    tokens_found = {path.local.partition("+")[2] for path in paths}
    assert {tokens.read_bounce_token(token) for token in tokens_found} == {message.public_id for message in messages}
    assert all(len(path.local) <= 64 for path in paths)


def return_paths(submission: Submission, messages: list[claim.Claimed]) -> set[str]:
    letterhead = render.make_letterhead(Submission.objects.get(pk=submission.pk))
    return {render.return_path(letterhead, message) for message in messages}
