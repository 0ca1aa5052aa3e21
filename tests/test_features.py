"""Default deny: everything one can meet names what it belongs to, and the list of what is excluded is complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import get_commands
from django.urls import URLResolver, get_resolver

from campaigns.api.form_sending import SendForm
from campaigns.api.schemas import EmailRequest
from campaigns.management.schedules import SCHEDULES
from campaigns.models import BaaStatus
from compliance.features import Kind, check_eligible, find_capability, list_eligibility
from compliance.features.capabilities import UNLISTED, Capability, check_capabilities, load_capabilities
from compliance.features.eligibility import TAGS, NotEligible
from compliance.registry import BOOK, RegistrationError

ROOT = Path(__file__).resolve().parent.parent
FIX = "Add it to compliance/features/{}.py, with the capability it belongs to. Untagged counts as ineligible."


def untagged(kind: Kind, names: set[str]) -> list[str]:
    return sorted(names - TAGS[kind].keys())


# --- Nothing without a tag ----------------------------------------------------------------------------------------


def test_every_screen_of_the_admin_is_tagged() -> None:
    assert untagged(Kind.SCREEN, {model._meta.label for model in admin.site._registry}) == [], FIX.format("screens")


def test_every_address_is_tagged() -> None:
    of_models = tuple(f"admin:{model._meta.app_label}_{model._meta.model_name}_" for model in admin.site._registry)
    names = {name for name in addresses() if not name.startswith(of_models)}
    assert untagged(Kind.URL, names) == [], FIX.format("urls")


def test_every_background_job_is_tagged() -> None:
    written = ROOT.glob("campaigns/**/*.py"), ROOT.glob("compliance/**/*.py")
    text = "\n".join(path.read_text("utf-8") for paths in written for path in paths)
    rung = set(re.findall(r'"((?:campaigns|compliance)\.tasks\.[a-z_]+)"', text))
    assert {entry.job for entry in SCHEDULES} <= rung
    assert untagged(Kind.JOB, rung) == [], FIX.format("jobs")


def test_every_command_is_tagged() -> None:
    ours = {name for name, app in get_commands().items() if app in {"campaigns", "compliance"}}
    assert untagged(Kind.COMMAND, ours) == [], FIX.format("commands")


def test_every_field_of_a_request_to_send_is_tagged() -> None:
    schema, form = EmailRequest.model_json_schema(by_alias=True), SendForm.model_json_schema(by_alias=True)
    names = {name for part in (schema, form, *schema["$defs"].values()) for name in part.get("properties", {})}
    assert len(names) > 40
    assert untagged(Kind.FIELD, names) == [], FIX.format("fields")


@pytest.mark.parametrize("kind", Kind)
def test_every_tag_names_a_capability(kind: Kind) -> None:
    assert sorted(set(TAGS[kind].values()) - load_capabilities().keys()) == []


def addresses() -> Iterator[str]:
    """Each pattern by its name, or by itself where it has none; the catch-all of each model's own is its model's."""
    yield from _walk(get_resolver().url_patterns, "")


def _walk(patterns: list[Any], place: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, place + (f"{pattern.namespace}:" if pattern.namespace else ""))
        elif pattern.name or str(pattern.pattern) != "<path:object_id>/":
            yield place + (pattern.name or str(pattern.pattern))


# --- The list -----------------------------------------------------------------------------------------------------

# The list of the document, word by word, and what of ours stands for each.
LIST = {
    "Inbound emails": {"inbound.mail", "inbound.forward", "inbound.reply-address"},
    "Browser-based viewing of message content": {"content.browser-view"},
    "Default placeholders": {"content.default-placeholders"},
    "CallbackData API parameter": {"api.callback-data"},
    "Any public, shared, or link-based access to message content": {"access.links"},
    "Active storage": {"storage.active", "api.storage-flags"},
    "Archive storage": {"storage.archive"},
    "Moments, including People attributes, profiles, and catalogs": {
        "people.moments", "people.attributes", "people.profiles", "people.catalogs",
    },
    "Broadcast and Forms": {"campaign.broadcast", "campaign.forms"},
    "Unsupported Flow elements, messaging channels, functions, or integrations not expressly designated as HIPAA": {
        "flow.elements", "flow.channels", "flow.functions", "flow.integrations",
    },
}  # fmt: skip


@pytest.mark.parametrize("entry", LIST)
def test_each_entry_of_the_list_is_excluded_by_what_stands_for_it(entry: str) -> None:
    clause = f"HIPAA-ineligible services and features: {entry}"
    assert {one.key for one in list_eligibility() if one.clause == clause} == LIST[entry]
    assert not any(load_capabilities()[key].is_eligible for key in LIST[entry])


def test_the_other_exclusions_of_the_document_are_there() -> None:
    for key in (
        "content.shared-values", "flow.combination", "api.email", "smtp.email",
        "content.shared-services", "support.content", "tracking.opens", "tracking.clicks",
    ):  # fmt: skip
        assert not load_capabilities()[key].is_eligible


def test_every_exclusion_has_a_code_of_its_own_and_says_what_to_do() -> None:
    excluded = [one for one in list_eligibility() if not one.is_eligible]
    assert len(excluded) > 30
    assert len({one.code for one in excluded}) == len(excluded)
    assert all(one.fix.endswith(".") and one.reason.endswith(".") for one in excluded)
    assert all(re.fullmatch(r"hipaa\.[a-z0-9-]+", one.code) for one in excluded)


def test_what_is_eligible_comes_first_and_refuses_nobody() -> None:
    shown = list_eligibility()
    assert [one.is_eligible for one in shown] == sorted((one.is_eligible for one in shown), reverse=True)
    assert not any(one.code or one.fix for one in shown if one.is_eligible)


def test_the_list_and_the_gate_agree_about_ways_of_sending() -> None:
    for key, feature in BOOK.features.items():
        capability = load_capabilities()[key]
        assert (capability.is_eligible, capability.reason) == (feature.hipaa_eligible, feature.reason)


# --- Asking -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [status for status in BaaStatus if status != BaaStatus.NONE] + ["", "nonsense"])
def test_whoever_has_had_or_awaits_an_agreement_is_refused_what_is_excluded(status: str) -> None:
    with pytest.raises(NotEligible) as caught:
        check_eligible("campaign.broadcast", baa_status=status)
    assert (caught.value.code, caught.value.status) == ("hipaa.broadcast-ineligible", 403)
    assert caught.value.action == "Make a HIPAA send instead."
    check_eligible("hipaa.endpoint", baa_status=status)


def test_others_use_everything() -> None:
    check_eligible("campaign.broadcast", baa_status="none")


def test_what_nobody_listed_is_refused() -> None:
    assert find_capability(Kind.FIELD, "somethingNew") is UNLISTED
    assert find_capability(Kind.SCREEN, "") is UNLISTED
    with pytest.raises(NotEligible) as caught:
        check_eligible("never.heard-of", baa_status="active")
    assert caught.value.code == "hipaa.feature-ineligible"


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("callbackData", "hipaa.callback-data"), ("defaultPlaceholders", "hipaa.default-placeholders"),
        ("campaignReferenceId", "hipaa.campaign-reference"), ("headers", "hipaa.custom-headers"),
        ("ampHtml", "hipaa.amp-ineligible"), ("cc", "hipaa.copies-ineligible"), ("bcc", "hipaa.copies-ineligible"),
        ("preserveRecipients", "hipaa.copies-ineligible"), ("trackingUrl", "hipaa.tracking-url"),
        ("landingPagePlaceholders", "hipaa.landing-pages"), ("skipActiveStorage", "hipaa.storage-disabled"),
        ("entityId", "hipaa.id-format"), ("placeholders", ""), ("to", ""), ("attachment", ""),
    ],
)  # fmt: skip
def test_fields_of_a_request_are_listed_by_name(field: str, code: str) -> None:
    assert find_capability(Kind.FIELD, field).code == code


# --- Declaring ----------------------------------------------------------------------------------------------------

FINE = Capability("area.thing", "A thing", False, "Because.", "The clause.", "hipaa.thing", "Do not.")


@pytest.mark.parametrize(
    "change",
    [
        {"key": "Area.thing"}, {"key": "thing"}, {"label": ""}, {"reason": ""}, {"clause": ""}, {"code": ""},
        {"code": "thing"}, {"code": "hipaa.feature-ineligible"}, {"fix": ""}, {"is_eligible": True},
    ],
)  # fmt: skip
def test_a_capability_that_is_declared_wrongly_stops_the_start(change: dict[str, Any]) -> None:
    check_capabilities([FINE])
    with pytest.raises(RegistrationError):
        check_capabilities([replace(FINE, **change)])


def test_two_capabilities_share_neither_key_nor_code() -> None:
    with pytest.raises(RegistrationError):
        check_capabilities([FINE, FINE])
    with pytest.raises(RegistrationError):
        check_capabilities([FINE, replace(FINE, key="area.other")])


def test_nothing_of_the_product_says_that_it_is_compliant_or_certified() -> None:
    """D0: there is no certification of software under HIPAA; the product is HIPAA-eligible."""
    claim = re.compile(r"hipaa[ -](?:compliant|certified)", re.IGNORECASE)
    files = [
        path
        for folder in ("campaigns", "compliance", "config", "templates", "docs")
        for path in (ROOT / folder).rglob("*")
    ]
    texts = [path for path in [*files, *ROOT.glob("*.md")] if path.suffix in {".py", ".md", ".html", ".txt", ".toml"}]
    assert [path.name for path in texts if claim.search(path.read_text("utf-8"))] == []
