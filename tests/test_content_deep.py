"""Nested sources do not take the process down (evil input 14)."""

import threading

import pytest

from campaigns.content import markup
from campaigns.content.deep import run_deep
from campaigns.content.mjml import MjmlError, compile_mjml
from campaigns.content.problems import RenderError


@pytest.mark.parametrize(
    "source", ["<div>" * 100_000, "<b x='<i>'>" * 4000, "<!-- <p> -->" * 4000, "</i><DIV/>" * 4000], ids=str.__len__
)
def test_too_many_elements_are_refused_before_parsing(source: str) -> None:
    with pytest.raises(RenderError) as caught:
        markup.finish(source, preheader="")
    assert caught.value.code == "content.too-many-elements"


def test_the_most_nested_source_that_is_allowed_is_parsed() -> None:
    nested = "<div>" * 2990 + "x"
    finished: list[str] = []
    # A web server's thread has less room than this one.
    before = threading.stack_size(512 * 1024)
    thread = threading.Thread(target=lambda: finished.append(markup.finish(nested, preheader="")))
    thread.start()
    threading.stack_size(before)
    thread.join()
    assert finished[0].count("<div>") == 2990


def test_nested_mjml_is_refused_or_parsed() -> None:
    with pytest.raises(MjmlError):
        compile_mjml("<mjml><mj-body>" + "<mj-wrapper>" * 2000 + "</mj-wrapper>" * 2000 + "</mj-body></mjml>")
    assert compile_mjml("<mjml><mj-body>" + "<mj-wrapper>" * 1400 + "</mj-wrapper>" * 1400 + "</mj-body></mjml>")


def test_what_a_parser_raises_comes_back() -> None:
    def fail(source: str) -> str:
        raise ValueError(source)

    with pytest.raises(ValueError, match="broken"):
        run_deep(fail, "broken", most=1)


@pytest.mark.parametrize("unit", ['<a "', "<a '\"", "<!--", "<script>", '<x y="', "<p>"])
@pytest.mark.timeout(20)
def test_cutting_up_broken_html_takes_no_time(unit: str) -> None:
    source = unit * 60_000
    assert "".join(piece.text for piece in markup.pieces(source)) == source
