"""The inventory of an installation: everything that is there, no secret, and the map drawn from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from campaigns.outbox.transports import seal_config
from compliance.oversight.flow import draw_flow
from compliance.oversight.inventory import Inventory, Place
from tests.factories import make_account, make_transport
from tests.hipaa import make_clinic

PAGE = Path(__file__).parent.parent / "docs" / "data-flow.md"
# What docs/data-flow.md shows.
EXAMPLE = Inventory(
    at="",
    versions={},
    listening=[
        Place("screens, public pages and the ordinary API", "mail.example.org", 443, "TLS", phi=True),
        Place("the HIPAA endpoint", "hipaa.example.org", 443, "TLS", phi=True),
        Place("mail of programs under HIPAA", "mail.example.org", 4465, "TLS", phi=True),
        Place("mail that comes in", "mail.example.org", 25, "STARTTLS offered", phi=False),
    ],
    stores=[
        Place("database (PostgreSQL)", "db.internal", 5432, "verify-full", phi=True),
        Place("job queue and cache (Redis)", "redis.internal", 6379, "TLS", phi=False),
        Place("root keys (aws)", "kms.eu-central-1.amazonaws.com", 443, "TLS", phi=False),
    ],
    sending_to=[
        Place(
            "way to send (smtp)", "relay.example.net", 587, "starttls", phi=True, owner="clinic", agreement="in effect"
        ),
        Place("way to send (infobip)", "infobip", 0, "https", phi=False, owner="shop", agreement="none"),
        Place("webhook", "hooks.example.com", 0, "TLS", phi=False, owner="shop"),
    ],
    keys=[],
)


def test_the_page_of_the_map_shows_what_the_program_draws() -> None:
    drawn = PAGE.read_text("utf-8").partition("```mermaid\n")[2].partition("```")[0]
    assert drawn == draw_flow(EXAMPLE)


def test_no_name_of_a_host_ends_a_label() -> None:
    drawn = draw_flow(Inventory("", {}, [], [], [Place("webhook", 'x"] --> y["', 0, "TLS", phi=False)], []))
    assert drawn.count('"]') == 2


@pytest.mark.django_db
def test_everything_is_listed_and_no_secret(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings.HIPAA_HOSTS, settings.REDIS_URL = ["hipaa.example.org"], "rediss://:zqsecret@redis.internal:6380/0"
    clinic = make_clinic()
    clinic.aim(2525)
    key, secret = clinic.key(name="zqname of somebody")
    way = make_transport(make_account(), kind="smtp", name="Old")
    config = {"host": "relay.example.net", "port": 25, "tls": "none", "username": "zquser", "password": "zqsecret"}
    way.config_sealed = seal_config(way, config=config)
    way.save()
    call_command("asset_inventory", "--json")
    told = capsys.readouterr().out
    assert not [word for word in ("zqsecret", "zqname", "zquser", secret, key.secret_hash) if word in told]
    found = json.loads(told)
    assert {"python", "openssl", "django", "cryptography"} <= set(found["versions"])
    assert "hipaa.example.org" in [place["host"] for place in found["listening"]]
    assert ["redis.internal", 6380, "TLS"] in [[one["host"], one["port"], one["encryption"]] for one in found["stores"]]
    to = {one["host"]: (one["phi"], one["agreement"]) for one in found["sending_to"]}
    assert to == {"127.0.0.1": (True, "in effect"), "relay.example.net": (False, "none")}
    assert any(key.prefix in one["name"] for one in found["keys"])
    assert "-.->|none|" in found["flow"]
    call_command("asset_inventory")
    assert "way to send (smtp): relay.example.net:25, none, no protected data" in capsys.readouterr().out
