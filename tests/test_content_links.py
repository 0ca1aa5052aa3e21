"""Links on the way through us: only targets change, nothing is lost, and what must not be touched is not."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns import tokens
from campaigns.content.compile import CompiledVersion
from campaigns.content.draft import Variable, VersionDraft
from campaigns.content.links import LinkKey, add_query, find_links, may_track, rewrite
from campaigns.content.mime import MailFrame, MailRecipient
from campaigns.content.problems import RenderError
from campaigns.content.tracked import LinkPlan, Tracked
from campaigns.content.versions import check_draft
from tests.mail_reading import html_of, text_of

BASE = "https://click.example.org"
MESSAGE = UUID("5f0c8d4e-0000-4000-8000-000000000001")
TOKEN = tokens.visit_token(tokens.VisitClaim(7, MESSAGE))
FRAME = MailFrame("Corpus", "news@example.com", account_name="Green Garden", postal_address="1 Main St")


class Book:
    """Numbers for links, as a submission's table keeps them."""

    def __init__(self) -> None:
        self.keys: list[LinkKey] = []

    def __call__(self, links: object) -> list[int]:
        assert isinstance(links, list)
        for link in links:
            if link not in self.keys:
                self.keys.append(link)
        return [self.keys.index(link) + 1 for link in links]

    @property
    def urls(self) -> list[str]:
        return [key.url for key in self.keys]


def wrap(source: str, **values: str) -> tuple[str, list[str]]:
    """(HTML as it is sent, addresses of the book) of a mail with this body."""
    book = Book()
    sent = send(source, LinkPlan(BASE, book), **values)
    return sent, book.urls


def send(source: str, plan: LinkPlan, **values: str) -> str:
    return html_of(mail(source, plan, **values))


def mail(source: str, plan: LinkPlan | None, **values: str) -> bytes:
    variables = tuple(Variable(name, sample=value) for name, value in values.items())
    draft = VersionDraft("Hello", "html", f"<html><body>{source}</body></html>", variables=variables)
    compiled = CompiledVersion(draft, digest=draft.digest())
    recipient = MailRecipient("ada@example.net", values, "1@example.com", "https://example.com/u/1")
    tracked = Tracked(plan, TOKEN) if plan else None
    return compiled.mail(FRAME, recipient, date=datetime.now(UTC), tracked=tracked)


def hrefs(sent: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(r"""href=["']?([^"'\s>]*)""", sent)]


@pytest.mark.parametrize(
    "written",
    [
        '<a href="https://shop.example/">x</a>',
        "<a href='https://shop.example/'>x</a>",
        "<a href=https://shop.example/>x</a>",
        '<A HREF="https://shop.example/">x</A>',
        '<a\n  title="a > b"\n  href="https://shop.example/">x</a>',
        '<a href="\n https://shop.example/\n">x</a>',
        '<map name="m"><area href="https://shop.example/" alt=""></map>',
        '<!--[if mso]><a href="https://shop.example/">x</a><![endif]-->',
        '<!--[if mso]><v:roundrect href="https://shop.example/" style="v-text-anchor:middle"></v:roundrect><![endif]-->',
    ],
)
def test_lw_06_a_link_is_found_however_it_is_written(written: str) -> None:
    sent, urls = wrap(written)
    assert urls == ["https://shop.example/"]
    assert f"{BASE}/c/{TOKEN}.1" in sent


@pytest.mark.parametrize(
    "written",
    [
        '<a href="#top">x</a>',
        '<a href="">x</a>',
        "<a>x</a>",
        '<a href="mailto:a@b.example">x</a>',
        '<a href="tel:+37060000000">x</a>',
        '<a href="sms:+37060000000">x</a>',
        '<a href="webcal://cal.example/x">x</a>',
        '<a href="/relative">x</a>',
        '<a href="//shop.example/">x</a>',
        '<a href="https://good.example@evil.example/">x</a>',
        '<a href="https://good.example\\@evil.example/">x</a>',
        '<a href="https://shop.example/" clicktracking="off">x</a>',
        '<a clicktracking=off href="https://shop.example/">x</a>',
        '<a data-track="OFF" href="https://shop.example/">x</a>',
        '<a href="{{ unsubscribe_url }}">x</a>',
        '<link rel="stylesheet" href="https://shop.example/x.css">',
        '<img src="https://shop.example/x.png" alt="">',
        '<p data-href="https://shop.example/">x</p>',
        "<p>https://shop.example/</p>",
    ],
)
def test_lw_03_what_is_no_link_of_the_author_stays(written: str) -> None:
    sent, urls = wrap(written)
    assert urls == []
    assert BASE not in sent


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://x.example/?b=2&amp;a=1&amp;b=3", "https://x.example/?b=2&a=1&b=3"),
        ("https://x.example/?a=1&copy=2&reg=3", "https://x.example/?a=1&copy=2&reg=3"),
        ("https://x.example/a%20b+c%2F?q=%C4%97#frag/1?x", "https://x.example/a%20b+c%2F?q=%C4%97#frag/1?x"),
        ("https://žalia.example/kelias?ė=ė", "https://žalia.example/kelias?ė=ė"),
        ("https://x.example/?u=https://y.example/?z=1", "https://x.example/?u=https://y.example/?z=1"),
        ("HTTPS://X.Example:8443/~a;b=1,2", "HTTPS://X.Example:8443/~a;b=1,2"),
        ("https://x.example/&#x41;&#66;", "https://x.example/AB"),
    ],
)
def test_lw_04_the_target_is_kept_as_a_browser_reads_it(written: str, meant: str) -> None:
    assert wrap(f'<a href="{written}">x</a>')[1] == [meant]


@pytest.mark.parametrize("written", ["https://x.example/?a=1&copy=2", "https://x.example/?a=1&amp;copy=2"])
def test_lw_04_outlooks_comments_are_read_like_the_rest(written: str) -> None:
    """No parser has put their references in order before."""
    source = f'<!--[if mso]><a href="{written}">x</a><![endif]-->'
    assert wrap(source)[1] == ["https://x.example/?a=1&copy=2"]


def test_values_of_a_reader_travel_sealed_and_come_back_exactly() -> None:
    source = '<a href="https://x.example/?m={{ m }}&amp;n={{ n }}#z">x</a> {{ m }}'
    sent, urls = wrap(source, m="a b&c/ė", n="7")
    (href,) = hrefs(sent)
    assert "ė" not in href
    assert "a%20b" not in href
    token, number, seal = href.removeprefix(f"{BASE}/c/").split(".")
    values = tokens.open_link_values(token, seal)
    assert number == "1"
    assert values == ["a%20b%26c%2F%C4%97", "7"]
    assert urls == ["https://x.example/?m=\U000f0000&n=\U000f0001#z"]


def test_links_that_carry_the_same_values_share_their_seal() -> None:
    sent, _ = wrap('<a href="https://x.example/{{ m }}">x</a><a href="https://y.example/{{ m }}">y</a>', m="17")
    assert len({href.rpartition(".")[2] for href in hrefs(sent)}) == 1


def test_a_link_that_is_a_value_is_tracked_when_it_is_a_web_address() -> None:
    book = Book()
    sent = send('<a href="{{ u }}">x</a>', LinkPlan(BASE, book), u="https://x.example/?q=1&r=2#f")
    (href,) = hrefs(sent)
    token, number, seal = href.removeprefix(f"{BASE}/c/").split(".")
    assert tokens.open_link_values(token, seal, number=int(number)) == ["https://x.example/?q=1&r=2#f"]
    assert tokens.open_link_values(token, seal) is None
    assert book.urls == ["\U000f0000"]


@pytest.mark.parametrize("value", ["mailto:ada@example.net", "tel:+37060000000", "https://mail.example.org/u/abc"])
def test_lw_03_a_link_that_is_a_value_stays_when_it_is_anything_else(value: str) -> None:
    plan = LinkPlan(BASE, Book(), own=("https://mail.example.org/",))
    assert hrefs(send('<a href="{{ u }}">x</a>', plan, u=value)) == [value]


def test_a_harmful_value_is_refused_as_ever() -> None:
    """LW-02, evil input 13."""
    with pytest.raises(RenderError, match=r"content\.unsafe-link"):
        send('<a href="{{ u }}">x</a>', LinkPlan(BASE, Book()), u="javascript:alert(1)")


def test_lw_09_the_text_part_keeps_the_addresses() -> None:
    raw = mail('<a href="https://x.example/?m={{ m }}">Look</a>', LinkPlan(BASE, Book(), pixel="top"), m="17")
    assert "Look <https://x.example/?m=17>" in text_of(raw)
    assert BASE not in text_of(raw)


def test_two_places_of_one_address_have_numbers_of_their_own() -> None:
    sent, urls = wrap('<a href="https://x.example/">a</a><a href="https://x.example/">b</a>')
    assert urls == ["https://x.example/", "https://x.example/"]
    assert [href.rpartition(".")[2] for href in hrefs(sent)] == ["1", "2"]


def test_a_mail_with_150_links_is_tracked_and_one_with_more_is_refused() -> None:
    def links(count: int) -> str:
        return "".join(f'<a href="https://x.example/{number}">x</a>' for number in range(count))

    assert len(wrap(links(150))[1]) == 150
    with pytest.raises(RenderError, match="This mail has 151 links") as caught:
        wrap(links(151))
    assert caught.value.code == "content.too-many-links"
    assert BASE not in send(links(151), LinkPlan(BASE, None))


def test_branches_of_a_template_give_their_links_numbers_in_one_book() -> None:
    book = Book()
    plan = LinkPlan(BASE, book)
    source = '{% if vip %}<a href="https://vip.example/">v</a>{% endif %}<a href="https://all.example/">a</a>'
    plain = send(source, plan, vip="")
    fine = send(source, plan, vip="yes")
    numbers = {url: str(number) for number, url in enumerate(book.urls, 1)}
    assert [href.rpartition(".")[2] for href in hrefs(plain)] == [numbers["https://all.example/"]]
    assert [href.rpartition(".")[2] for href in hrefs(fine)] == [
        numbers["https://vip.example/"],
        numbers["https://all.example/"],
    ]


class TestPixel:
    PIXEL = f'src="{BASE}/o/{TOKEN}.gif" width="1" height="1" alt=""'

    def test_lw_10_at_the_top_it_is_the_first_thing_in_the_body(self) -> None:
        sent = send("<p>Hello</p>", LinkPlan(BASE, None, pixel="top"))
        assert re.search(rf"<body>\s*<img {re.escape(self.PIXEL)}", sent)

    def test_lw_10_at_the_bottom_it_is_the_last(self) -> None:
        sent = send("<p>Hello</p>", LinkPlan(BASE, None, pixel="bottom"))
        assert re.search(rf"<img {re.escape(self.PIXEL)}[^>]*>\s*</body>", sent)

    def test_mp_11_behind_what_gmail_cuts_off_it_would_never_be_asked_for(self) -> None:
        sent = send(f"<p>{'word ' * 21_000}</p>", LinkPlan(BASE, None, pixel="bottom"))
        assert sent.index(self.PIXEL) < 1_000

    def test_without_tracking_there_is_none(self) -> None:
        assert "<img" not in html_of(mail("<p>Hello</p>", None))

    def test_the_decoy_is_seen_by_no_reader(self) -> None:
        sent = send("<p>Hello</p>", LinkPlan(BASE, Book(), pixel="top", decoy=True))
        (found,) = re.findall(r"<a [^>]*>", sent)
        assert f'href="{BASE}/c/{TOKEN}.0"' in found
        for part in ('rel="nofollow"', 'aria-hidden="true"', 'tabindex="-1"', "display:none"):
            assert part in found


UTM = (("utm_source", "news"), ("utm_medium", "email"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://x.example", "https://x.example?utm_source=news&utm_medium=email"),
        ("https://x.example/#f", "https://x.example/?utm_source=news&utm_medium=email#f"),
        ("https://x.example/?", "https://x.example/?utm_source=news&utm_medium=email"),
        ("https://x.example/?a=1", "https://x.example/?a=1&utm_source=news&utm_medium=email"),
        ("https://x.example/?a=1&#f?g", "https://x.example/?a=1&utm_source=news&utm_medium=email#f?g"),
        ("https://x.example/?utm_source=own", "https://x.example/?utm_source=own&utm_medium=email"),
        ("https://x.example/?UTM_SOURCE=a&utm_medium=b", "https://x.example/?UTM_SOURCE=a&utm_medium=b"),
    ],
)
def test_lw_04_utm_breaks_no_query_and_no_fragment(before: str, after: str) -> None:
    assert add_query(before, UTM) == after


def test_utm_goes_to_the_target_where_clicks_are_counted_and_into_the_mail_where_not() -> None:
    book = Book()
    source = '<a href="https://x.example/?a=1#f">x</a><a href="{{ u }}">y</a><a href="mailto:a@b.example">z</a>'
    assert "utm" not in send(source, LinkPlan(BASE, book, utm=UTM), u="https://y.example/")
    assert book.urls[0] == "https://x.example/?a=1&utm_source=news&utm_medium=email#f"
    plain = send(source, LinkPlan(BASE, None, utm=UTM), u="https://y.example/")
    assert hrefs(plain) == [
        "https://x.example/?a=1&utm_source=news&utm_medium=email#f",
        "https://y.example/?utm_source=news&utm_medium=email",
        "mailto:a@b.example",
    ]


def test_lw_05_a_tracked_link_is_not_tracked_again() -> None:
    sent, urls = wrap(f'<a href="https://other.example/c/{TOKEN}.3">x</a><a href="https://other.example/c/x.3">y</a>')
    assert urls == ["https://other.example/c/x.3"]
    assert f"https://other.example/c/{TOKEN}.3" in sent


SOME_URL = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["http", "https", "HTTPS"]),
    st.sampled_from(["x.example", "žalia.example", "x.example:8080", "[::1]"]),
    st.text(
        st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Co"), exclude_characters='<>"'), max_size=40
    ).map(lambda tail: f"/{tail}".rstrip()),
)


@hypothesis_settings(max_examples=60)
@given(urls=st.lists(SOME_URL, min_size=1, max_size=6), quote=st.sampled_from(['"', "'"]))
def test_rewriting_changes_nothing_but_targets_twice_is_once_and_it_can_be_undone(urls: list[str], quote: str) -> None:
    """Properties 1 to 3 of links, LW-05, LW-06: on HTML as it comes, whatever is between the links."""
    page = "".join(
        f"<p title='>'>t & {n} <a class=x href={quote}{html.escape(url)}{quote}>a</a>" for n, url in enumerate(urls)
    )
    kept: list[str] = []

    def track(link: object) -> str:
        kept.append(getattr(link, "url"))  # noqa: B009
        return f"{BASE}/c/{TOKEN}.{len(kept)}"

    wrapped = rewrite(page, track)
    assert kept == urls
    assert rewrite(wrapped, track) == wrapped
    targets = iter(urls)
    undone = re.sub(rf"{BASE}/c/{TOKEN}\.\d+", lambda _: html.escape(next(targets)), wrapped)
    assert undone == page


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "java\nscript:x", "data:text/html,x", "vbscript:x", "ftp://x.example/"]
)
def test_lw_02_only_web_addresses_may_lead_through_us(url: str) -> None:
    assert not may_track(url)
    assert find_links(f'<a href="{html.escape(url)}">x</a>') == []


def problems(body: str) -> list[tuple[str, bool]]:
    source = (
        f'<html lang="en"><body>{body} {{{{ postal_address }}}} <a href="{{{{ unsubscribe_url }}}}">x</a></body></html>'
    )
    return [(problem.code, problem.blocking) for problem in check_draft(VersionDraft("Hello", "html", source))]


@pytest.mark.parametrize(
    "url",
    [
        "//evil.example/", "https://good.example@evil.example/", "https://good.example\\@evil.example/",
        "https:\\\\evil.example/", "https://a:b@evil.example/x",
    ],
)  # fmt: skip
def test_lw_02_a_link_that_hides_its_host_is_refused_when_it_is_saved(url: str) -> None:
    assert ("content.unsafe-link", True) in problems(f'<a href="{url}">x</a>')


@pytest.mark.parametrize(
    "url", ["https://x.example/@name", "https://x.example/?a=b@c", "mailto:a@b.example", "#@", "/x"]
)
def test_a_link_with_an_at_sign_behind_its_host_is_none_of_those(url: str) -> None:
    assert problems(f'<a href="{url}">x</a>') == []


def test_lw_07_a_link_whose_text_is_an_address_is_told() -> None:
    assert problems('<a href="https://x.example/">https://x.example</a>') == [("content.link-shows-address", False)]
    assert problems('<a href="https://x.example/" clicktracking="off">https://x.example</a>') == []
    assert problems('<a href="https://x.example/">x.example, our shop</a>') == []
