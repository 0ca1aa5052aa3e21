"""One error family with stable codes."""

from __future__ import annotations

from campaigns.errors import AddressError, CampaignError, NotFound


def test_an_error_says_its_code_and_a_sentence() -> None:
    error = CampaignError("list.full", "The list is full.", action="Use another list.")
    assert (error.code, error.safe_text, error.action, error.status) == (
        "list.full",
        "The list is full.",
        "Use another list.",
        400,
    )
    assert str(error) == "list.full: The list is full."


def test_what_does_not_exist_is_answered_with_404_and_a_constant_text() -> None:
    first, second = NotFound("campaign"), NotFound("campaign")
    assert (first.code, first.status) == ("campaign.not-found", 404)
    assert str(first) == str(second)


def test_every_error_is_of_one_family() -> None:
    assert issubclass(NotFound, CampaignError)
    assert issubclass(AddressError, CampaignError)
