"""The templates people start from."""

import email
from datetime import UTC, datetime
from email.policy import default

import pytest

from campaigns.content.compile import CompiledVersion
from campaigns.content.mime import MailFrame, MailRecipient
from campaigns.content.starters import Starter, starter_drafts
from campaigns.content.versions import check_draft


@pytest.mark.parametrize("starter", starter_drafts(), ids=lambda starter: starter.name)
class TestEveryStarter:
    def test_has_no_problem_but_being_no_marketing(self, starter: Starter) -> None:
        codes = {problem.code for problem in check_draft(starter.draft)}
        assert codes <= ({"content.unsubscribe-missing"} if starter.name == "Password notice" else set())

    def test_reaches_a_contact_of_whom_only_the_address_is_known(self, starter: Starter) -> None:
        compiled = CompiledVersion(starter.draft, digest=starter.draft.digest())
        frame = MailFrame("News", "news@example.com", account_name="Acme", postal_address="1 Main St")
        recipient = MailRecipient("ada@example.net", {}, "1@example.com", "https://u.example/1")
        message = email.message_from_bytes(compiled.mail(frame, recipient, date=datetime.now(UTC)), policy=default)
        assert all(not part.defects for part in message.walk())


def test_the_newsletter_is_marketing_that_passes_the_gate_and_is_not_clipped() -> None:
    """MP-04, MP-11, LA-01."""
    draft = starter_drafts()[0].draft
    compiled = CompiledVersion(draft, digest=draft.digest())
    assert (compiled.has_unsubscribe_link, compiled.has_postal_address, compiled.has_logic) == (True, True, False)
    assert 9_000 < len(compiled.preview({}).html.encode()) < 13_000
