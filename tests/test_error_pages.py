"""Nobody meets a stack trace, a code or a bare word."""

import pytest
from django.template.loader import render_to_string
from django.test import Client

PAGES = ("400", "403", "403_csrf", "404", "500")


@pytest.mark.parametrize("name", PAGES)
def test_an_error_page_needs_nothing_but_itself_and_says_what_to_do(name: str) -> None:
    page = render_to_string(f"{name}.html")
    assert "<h1>" in page
    assert "noindex" in page
    assert name[:3] not in page


def test_an_address_nobody_has_is_answered_in_words() -> None:
    answer = Client().get("/nowhere")
    assert answer.status_code == 404
    assert "This page does not exist" in answer.content.decode()
