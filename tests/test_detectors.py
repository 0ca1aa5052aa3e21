"""Detectors: each rule by its examples, nothing slow whatever the text, and nothing found shown to anybody."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from compliance.detectors import engine
from compliance.detectors.engine import Found, find, mask
from compliance.detectors.linear import NotLinear, check_linear
from compliance.detectors.rules import Rule, RuleSet, load_rules
from compliance.detectors.texts import PLACES, STRICT, normalise, read_texts
from compliance.detectors.validators import is_npi

RULES = load_rules()
BY_ID = {rule.id: rule for rule in RULES.rules}
SSN = "536-22-1873"


def hits(
    text: str, place: str = "text", *, hosts: frozenset[str] = frozenset(), known: frozenset[str] = frozenset()
) -> list[str]:
    return [hit.rule for hit in find(read_texts({place: text}), rules=RULES, hosts=hosts, known=known)]


def only(rule: Rule) -> RuleSet:
    return dataclasses.replace(RULES, rules=(rule,))


# --- Rules and their examples -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.id)
def test_a_rule_hits_its_examples_and_misses_its_look_alikes(rule: Rule) -> None:
    assert len(rule.hits) >= 5
    assert len(rule.misses) >= 10
    place = next(iter(rule.places), "text")
    found = {text: [hit.rule for hit in find(read_texts({place: text}), rules=only(rule))] for text in rule.hits}
    assert [text for text, rules in found.items() if rule.id not in rules] == []
    for text in (*rule.misses, *RULES.look_alikes):
        assert rule.id not in [hit.rule for hit in find(read_texts({place: text}), rules=only(rule))], text


def test_harmless_texts_pass_every_rule() -> None:
    assert [text for text in RULES.look_alikes if hits(text)] == []


def test_the_rules_are_those_of_the_specification() -> None:
    assert set(BY_ID) == {
        "phi.ssn", "phi.ssn-unformatted", "phi.mbi", "phi.record-number", "phi.member-id", "phi.date-of-birth",
        "phi.icd-10", "phi.prescription-number", "phi.npi", "phi.condition", "phi.specialty", "personal.email", "personal.phone",
        "personal.street",
    }  # fmt: skip
    assert {rule.id for rule in RULES.rules if not rule.exceptable} == {
        "phi.mbi", "phi.ssn", "phi.ssn-unformatted",
    }  # fmt: skip
    assert BY_ID["phi.condition"].level == "warn"
    assert BY_ID["phi.condition"].strict == "block"


@pytest.mark.parametrize("place", sorted(STRICT))
def test_a_condition_blocks_where_it_is_seen_without_opening_the_mail(place: str) -> None:
    (hit,) = find(read_texts({place: "News from oncology"}), rules=RULES)
    assert (hit.rule, hit.level) == ("phi.condition", "block")
    (hit,) = find(read_texts({"text": "News from oncology"}), rules=RULES)
    assert hit.level == "warn"


def test_a_luhn_sum_tells_a_provider_number_from_others() -> None:
    assert is_npi("1234567893")
    assert not is_npi("1234567890")


# --- Hiding does not help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "536\u201122\u20111873",
        "５３６-２２-１８７３",
        "٥٣٦-٢٢-١٨٧٣",
        "536-22-\u200b1873",
        "53\u00ad6-22-1873",
        "536\u00a022\u00a01873",
    ],
)
def test_a_number_in_other_characters_is_still_found(text: str) -> None:
    assert "phi.ssn" in hits(text)


@pytest.mark.parametrize(
    "html",
    [
        "<p>536-<b>22</b>-1873</p>",
        "<p>536&#45;22&#x2d;1873</p>",
        '<img alt="536-22-1873" src="cid:x">',
        '<a title="536-22-1873" href="https://example.com">x</a>',
        '<td aria-label="536-22-1873">x</td>',
        "<!-- 536-22-1873 -->",
        "<title>536-22-1873</title>",
        '<meta name="description" content="536-22-1873">',
        "<p>536-22-<span>1873",
    ],
)
def test_a_number_is_found_wherever_html_hides_it(html: str) -> None:
    assert "phi.ssn" in hits(html, "html")


def test_texts_of_different_blocks_do_not_grow_together() -> None:
    assert hits("<td>536-22</td><td>-1873</td>", "html") == []


def test_a_value_is_not_text_and_nothing_grows_together_around_it() -> None:
    assert hits("Date of birth: {{ dob }}, MRN: {{ mrn }}, {{ a }}536{{ b }}-22-1873") == []
    assert hits("{% if dx %}DOB: 4/7/1961{% endif %}") == ["phi.date-of-birth"]


def test_a_hit_names_its_line_in_the_source() -> None:
    html = "<html>\n<body>\n<p>Hello</p>\n<p>one\ntwo 536-22-1873</p>\n</body></html>"
    (hit,) = find(read_texts({"html": html}), rules=RULES)
    assert hit.where == "html:5"
    (hit,) = find(read_texts({"text": f"a\nb\n{SSN}"}), rules=RULES)
    assert hit.where == "text:3"


def test_what_was_found_is_masked_and_stays_out_of_reprs() -> None:
    (hit,) = find(read_texts({"text": f"SSN {SSN}"}), rules=RULES)
    assert hit.snippet == "5●●-●●-●●●3"
    assert SSN not in repr(hit)
    assert mask("ona@example.org") == "o●●@●●●●●●●.●●g"
    assert len(mask("x" * 99)) == 24
    assert mask("") == ""
    assert SSN not in repr(read_texts({"text": SSN}))


@given(st.text(max_size=200))
def test_a_mask_shows_at_most_two_characters(text: str) -> None:
    assert sum(character.isalnum() and character != "●" for character in mask(text)) <= 2


# --- Links --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://clinic.example/x?ssn=1", "link.parameter-name"),
        ("https://clinic.example/x?Patient_ID={{ token }}", "link.parameter-name"),
        ("https://clinic.example/x?first-name=Ona", "link.parameter-name"),
        ("https://clinic.example/x?q=ona@example.org", "link.value"),
        ("https://clinic.example/x?q=ona%40example.org", "link.value"),
        ("https://clinic.example/x?q=b25hQGV4YW1wbGUub3Jn", "link.value"),
        ("https://clinic.example/536-22-1873/", "link.value"),
        ("https://clinic.example/x?q=536221873", "link.value"),
        ("https://bit.ly/3xYz", "link.shortener"),
        ("https://{{ host }}/x", "link.host"),
        ("https://[https://clinic.example](https://clinic.example)", "link.malformed"),
        ("http://clinic.example/", "link.not-https"),
    ],
)
def test_a_link_that_carries_a_person_is_found(url: str, rule: str) -> None:
    assert rule in hits(f'<a href="{url}">x</a>', "html")


@pytest.mark.parametrize(
    "url",
    [
        "https://clinic.example/", "https://clinic.example/book?utm_source=mail&id=8842", "mailto:ona@example.org",
        "tel:+14155552671", "#top", "cid:logo", "{{ unsubscribe_url }}", "https://clinic.example/x?t={{ token }}",
        "https://clinic.example/a-long-path/with-words", "",
    ],
)  # fmt: skip
def test_an_ordinary_link_passes(url: str) -> None:
    assert [rule for rule in hits(f'<a href="{url}">x</a>', "html") if rule.startswith("link")] == []


def test_links_in_styles_images_and_plain_text_are_read_too() -> None:
    for html in (
        "<style>p { background: url('https://x.example/?email=1') }</style>",
        '<p style="background:url(https://x.example/?email=1)">x</p>',
        '<img src="https://x.example/?email=1">',
    ):
        assert "link.parameter-name" in hits(html, "html")
    assert "link.parameter-name" in hits("see https://x.example/?email=1 now")


def test_a_host_that_is_not_on_the_list_is_asked_about() -> None:
    known = frozenset({"clinic.example"})
    assert hits('<a href="https://clinic.example/">x</a>', "html", hosts=known) == []
    assert hits('<a href="https://other.example/">x</a>', "html", hosts=known) == ["link.host"]


def test_the_accounts_own_contact_data_passes() -> None:
    assert hits("Write to Info@Clinic.example or call 415-555-2671") == ["personal.email", "personal.phone"]
    assert (
        hits(
            "Write to Info@Clinic.example or call 415-555-2671",
            known=frozenset({"info@clinic.example", "415-555-2671"}),
        )
        == []
    )


# --- Budgets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    ["a*", "a+b", "(ab){2}", "(a{1,3}){1,3}", "a{3,}", "a{0,81}", "[ab]{0,60}[ab]{0,60}[ab]{0,60}", "(?:a|b)*"],
)
def test_a_pattern_that_could_take_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(NotLinear):
        check_linear(pattern)


@pytest.mark.parametrize(
    "pattern", ["a{1,80}b", "(?:ab)?c", r"[0-9]{3}([- ])\1", "a{1,60}+a{1,60}+b", "[*+]{1,3}", r"\*x"]
)
def test_a_pattern_with_bounds_is_taken(pattern: str) -> None:
    check_linear(pattern)


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(re.error):
        check_linear("(a")


_PIECES = st.sampled_from([
    *(piece for rule in RULES.rules for text in rule.hits for piece in re.findall(r"\w+|\W", text)),
    "{{", "}}", "&#", "<a href='", "url(", "@", ".", "-", " ", "é", "\u200b",
])  # fmt: skip


@pytest.mark.parametrize("html", ["<p><![SSN[536-22-8145]]></p>", "<![", "<!--" * 20_000, "<a " * 20_000, "<style>"])
def test_no_html_makes_reading_fail_or_take_long(html: str) -> None:
    """It comes from programs: an error that quotes it would stand in a log."""
    began = time.process_time()
    found = find(read_texts({"html": html}), rules=load_rules())
    assert time.process_time() - began < 5
    assert ("ssn" in str([hit.rule for hit in found])) == ("SSN" in html)


@given(st.lists(_PIECES, min_size=1, max_size=12))
@hypothesis_settings(max_examples=15)
def test_no_text_of_a_hundred_thousand_characters_takes_longer_than_its_budget(pieces: list[str]) -> None:
    """Built of pieces of what the rules look for, so that they begin to match as often as they can."""
    text = ("".join(pieces) * 100_000)[:100_000]
    for place in ("text", "html"):
        began = time.process_time()
        find(read_texts({place: text}), rules=RULES)
        assert time.process_time() - began < 0.25 * len(RULES.rules)


def test_a_check_that_takes_too_long_blocks() -> None:
    ticks = iter(range(1000))
    found = find(read_texts({"text": "x"}), rules=only(BY_ID["phi.ssn"]), clock=lambda: float(next(ticks)))
    assert [(hit.rule, hit.level, hit.exceptable) for hit in found] == [("detector.undecided", "block", False)]


def test_a_text_that_is_too_long_blocks() -> None:
    found = find(read_texts({"text": "x" * (engine.MOST_CHARACTERS + 1)}), rules=RULES)
    assert [(hit.rule, hit.level) for hit in found] == [("detector.too-large", "block")]


@pytest.mark.parametrize("offset", [-600, -11, -5, -1, 0, 1, 5])
def test_a_hit_on_the_edge_of_a_window_is_found_once(offset: int) -> None:
    text = " " * (engine.WINDOW + offset) + SSN + " " * 5000
    found = find(read_texts({"text": text}), rules=RULES)
    assert [hit.rule for hit in found] == ["phi.ssn"]


def test_more_hits_than_anybody_reads_are_cut() -> None:
    found = find(read_texts({"text": f"{SSN}\n" * 5000}), rules=only(BY_ID["phi.ssn"]))
    assert engine.MOST_HITS <= len(found) < 1000


@given(st.text(max_size=300), st.sampled_from(sorted(PLACES)))
def test_no_text_breaks_the_check(text: str, place: str) -> None:
    assert all(isinstance(hit, Found) for hit in find(read_texts({place: text}), rules=RULES))


@given(st.text(alphabet="<>&;#\"'=/ahref{}%- \n!\\", max_size=200))
def test_no_broken_html_breaks_the_check(html: str) -> None:
    find(read_texts({"html": f"<p>{html}<a href='{html}'>"}), rules=RULES)


@given(st.text(max_size=100))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_a_place_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="footnote"):
        read_texts({"footnote": "x"})


def test_e_mail_templates_nobody_wrote_for_this_name_no_protected_information() -> None:
    folder = Path(__file__).parent / "data"
    pages = [*folder.rglob("*.html")]
    for page in pages:
        found = hits(page.read_text("utf-8", "replace"), "html")
        assert [rule for rule in found if rule.startswith("phi.")] == [], page.name
