"""Sealed values open in their own place, with their own key, unchanged; otherwise not at all."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from compliance.vault import SealBroken, seal, seal_many, sealing, unseal, unseal_many

pytestmark = pytest.mark.django_db
SECRET = b"a diagnosis nobody may read"
PLACE = {"account": "7d9f", "domain": "example.com", "selector": "sp1"}


def test_a_sealed_value_opens_in_its_own_place() -> None:
    assert unseal(seal(SECRET, **PLACE), **PLACE) == SECRET


def test_a_sealed_value_does_not_contain_what_it_seals() -> None:
    assert SECRET not in seal(SECRET, **PLACE)


def test_sealing_twice_gives_two_values() -> None:
    assert seal(SECRET, **PLACE) != seal(SECRET, **PLACE)


@pytest.mark.parametrize("field", PLACE)
def test_a_value_moved_to_another_place_does_not_open(field: str) -> None:
    with pytest.raises(SealBroken):
        unseal(seal(SECRET, **PLACE), **(PLACE | {field: "other"}))


def test_a_value_does_not_open_with_less_or_more_context() -> None:
    sealed = seal(SECRET, **PLACE)
    for place in ({}, {"account": "7d9f"}, PLACE | {"field": "x"}):
        with pytest.raises(SealBroken):
            unseal(sealed, **place)


def test_context_cannot_be_shifted_between_fields() -> None:
    with pytest.raises(SealBroken):
        unseal(seal(SECRET, a="1", b='2","c":"3'), a="1", b="2", c="3")


@given(position=st.integers(0), flip=st.integers(1, 255))
def test_a_changed_value_does_not_open(position: int, flip: int) -> None:
    sealed = bytearray(seal(SECRET, **PLACE))
    sealed[position % len(sealed)] ^= flip
    with pytest.raises(SealBroken):
        unseal(bytes(sealed), **PLACE)


@given(st.binary(max_size=80))
def test_anything_else_does_not_open(data: bytes) -> None:
    with pytest.raises(SealBroken):
        unseal(data, **PLACE)


def test_a_truncated_value_does_not_open() -> None:
    sealed = seal(SECRET, **PLACE)
    for size in range(len(sealed)):
        with pytest.raises(SealBroken):
            unseal(sealed[:size], **PLACE)


@pytest.fixture
def other_ring() -> Iterator[str]:
    """A key ring with a newer active key; the old one is gone."""
    kid = "local:2099-01"
    ring = replace(settings.KEY_RING, active=kid, sealing={kid: secrets.token_bytes(32)})
    with override_settings(KEY_RING=ring):
        yield kid


def test_a_value_whose_key_is_gone_does_not_open(other_ring: str) -> None:
    with override_settings(KEY_RING=replace(settings.KEY_RING, active="k", sealing={"k": secrets.token_bytes(32)})):
        sealed = seal(SECRET, **PLACE)
    with pytest.raises(SealBroken):
        unseal(sealed, **PLACE)


def test_a_value_opens_after_a_newer_key_became_active() -> None:
    sealed, first = seal(SECRET, **PLACE), seal_first_version(SECRET, **PLACE)
    ring = settings.KEY_RING
    newer = replace(ring, active="new", sealing={**ring.sealing, "new": secrets.token_bytes(32)})
    with override_settings(KEY_RING=newer):
        assert unseal(sealed, **PLACE) == SECRET
        assert unseal(first, **PLACE) == SECRET


def seal_first_version(plaintext: bytes, **context: str) -> bytes:
    """As values were sealed before there were data keys."""
    kid, nonce = settings.KEY_RING.active, secrets.token_bytes(12)
    key = AESGCM(settings.KEY_RING.sealing[kid])
    return bytes((1, len(kid))) + kid.encode() + nonce + key.encrypt(nonce, plaintext, sealing._aad(1, context))


def test_a_value_of_the_first_version_still_opens_and_only_in_its_place() -> None:
    sealed = seal_first_version(SECRET, **PLACE)
    assert unseal(sealed, **PLACE) == SECRET
    with pytest.raises(SealBroken):
        unseal(sealed, **(PLACE | {"account": "other"}))


def test_the_authenticated_context_is_canonical_json() -> None:
    """What is sealed today must open after any refactoring: the exact bytes are a format."""
    assert sealing._aad(1, {"b": 'é"', "a": "x"}) == b'{"a":"x","b":"\\u00e9\\"","v":1}'
    assert sealing._aad(2, {"id": "7"}) == b'{"id":"7","v":2}'


@given(st.dictionaries(st.sampled_from(["account", "id", "thing", "zone"]), st.text() | st.uuids().map(str)))
def test_the_context_written_quickly_is_the_same_json(place: dict[str, str]) -> None:
    canonical = json.dumps({"v": 2, **place}, sort_keys=True, separators=(",", ":")).encode()
    assert sealing._aad(2, place) == canonical


def test_many_values_are_sealed_like_one() -> None:
    contexts = [{"account": owner, "id": str(number)} for number, owner in enumerate("aabba")]
    texts = [b"%d" % number for number in range(5)]
    sealed = seal_many(texts, contexts=contexts)
    assert [unseal(value, **context) for value, context in zip(sealed, contexts, strict=True)] == texts
    assert unseal_many(sealed, contexts=contexts) == texts


def test_among_many_values_one_that_was_moved_keeps_no_other_from_opening() -> None:
    contexts = [{"account": "a", "id": str(number)} for number in range(3)]
    sealed = seal_many([b"0", b"1", b"2"], contexts=contexts)
    shifted = [contexts[0], contexts[2], contexts[2]]
    assert unseal_many(sealed, contexts=shifted) == [b"0", None, b"2"]


def test_more_values_than_places_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        seal_many([b"0", b"1"], contexts=[{"account": "a"}])


@given(
    texts=st.lists(st.tuples(st.binary(max_size=40), st.dictionaries(st.sampled_from("abcdf"), st.text(max_size=9))))
)
def test_whatever_is_sealed_together_opens_apart(texts: list[tuple[bytes, dict[str, Any]]]) -> None:
    sealed = seal_many([text for text, _ in texts], contexts=[context for _, context in texts])
    assert [unseal(value, **context) for value, (_, context) in zip(sealed, texts, strict=True)] == [
        t for t, _ in texts
    ]


def test_a_broken_seal_says_nothing_about_the_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(SealBroken) as caught:
        unseal(seal(SECRET, **PLACE), account="other")
    assert str(caught.value) == ""
    assert caught.value.__suppress_context__
    assert caplog.text == ""


def test_the_key_ring_shows_nothing_of_its_keys() -> None:
    ring = settings.KEY_RING
    shown = f"{ring!r} {ring}"
    for key in (*ring.sealing.values(), ring.index, ring.token):
        assert repr(key)[2:-1] not in shown
        assert key.hex() not in shown
    assert "sealing" not in shown
