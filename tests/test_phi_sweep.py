"""The canary sweep (hipaa.md §7.1): every input, every place, one allowed place, and a control that would notice."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import pytest
from django.core import signing

from compliance.sweep.canary import Canary
from compliance.sweep.places import Found, Place, search
from compliance.sweep.rehearsal import find_blind
from tests.installation import installed


@pytest.mark.timeout(600)  # whole processes start, migrate and work
@pytest.mark.django_db
def test_a_patient_who_went_in_by_every_door_is_known_to_the_encrypted_mail_alone(tmp_path: Path) -> None:
    """On the database and the Redis the tests run on, with a real queue, real files and a real TLS server."""
    with installed(tmp_path) as installation:
        report = json.loads(installation.manage("phi_sweep", "--json"))
    assert report["clean"]
    assert report["found"] == report["temporary"] == report["blind"] == report["undelivered"] == []
    assert {
        "Email API, ordinary account",
        "A bounce that quotes a HIPAA mail",
        "A worker killed while it hands a HIPAA mail over",
    } <= set(report["doors"])
    assert {"database", "job queue", "files", "cache", "log", "wire outside of TLS"} <= set(report["places"])


def test_a_canary_is_found_in_every_disguise_and_nobody_else_is() -> None:
    canary = Canary()
    raw = canary.word.encode()
    disguises = [
        raw, canary.name.encode(), canary.address.encode(), canary.word.encode("utf-16"), raw[::-1], raw.hex().encode(),
        b"phi" + b"=\r\n" + raw[3:], zlib.compress(raw), signing.dumps({"name": canary.name}, compress=True).encode(),
        *(base64.b64encode(b"x" * shift + raw + b"yz") for shift in range(4)),
        base64.b64encode(b"Dear " + canary.name.encode()),
        signing.dumps({"pad": "a" * 500, "name": canary.word}, compress=True).encode(),
    ]  # fmt: skip
    assert all(canary.find(disguise) for disguise in disguises)
    other = Canary()
    assert not any(other.find(disguise) for disguise in disguises)


def test_what_looks_compressed_by_chance_ends_no_sweep() -> None:
    canary = Canary()
    assert [canary.find(b"eJ" + b"a" * length) for length in range(20, 24)] == [""] * 4
    squeezed = signing.dumps({"pad": "a" * 500, "name": canary.word}, compress=True).partition(":")[0].encode()
    assert squeezed.startswith(b".eJ")
    assert all(canary.find(squeezed + b"A" * more) for more in range(4))


def test_a_place_that_looks_nowhere_is_called_blind() -> None:
    kept: list[tuple[str, bytes]] = []
    seeing = Place("seeing", lambda: iter(kept), lambda word: kept.append(("here", word.encode())))
    blind = Place("blind", lambda: iter([]), lambda _: None)
    assert find_blind([seeing, blind]) == ["blind"]


def test_what_is_found_tells_the_place_and_never_the_text() -> None:
    canary = Canary()
    place = Place("database", lambda: iter([("table.column", canary.word.encode())]), None)
    assert search([place], canary) == [Found("database", "table.column", "as it is")]
