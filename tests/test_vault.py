"""Sealed values open in their own place, with their own key, unchanged; otherwise not at all."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.conf import settings
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from compliance.vault import SealBroken, seal, unseal

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
    sealed = seal(SECRET, **PLACE)
    ring = settings.KEY_RING
    newer = replace(ring, active="new", sealing={**ring.sealing, "new": secrets.token_bytes(32)})
    with override_settings(KEY_RING=newer):
        assert unseal(sealed, **PLACE) == SECRET
        assert b"new" in seal(SECRET, **PLACE)


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
