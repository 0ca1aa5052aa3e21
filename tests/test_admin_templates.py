"""Templates through the admin's door: versions, problems, preview and test mails."""

from __future__ import annotations

import pytest
from django.test import Client

from campaigns.models import Account, Door, EmailTemplate, Role, SandboxMail, Submission
from tests.factories import make_account, make_domain, make_sender, make_template, make_user, make_version

pytestmark = pytest.mark.django_db

HTML = "<html><body><p>Hello {{ first_name }}</p></body></html>"
DRAFT = {
    "subject": "Hello {{ first_name }}",
    "preheader": "",
    "source_kind": "html",
    "source": HTML,
    "text_source": "",
    "var_name": ["first_name", ""],
    "var_label": ["First name", ""],
    "var_sample": ["Ada", ""],
    "var_missing": ["fill", "fill"],
    "var_default": ["friend", ""],
}


@pytest.fixture
def account() -> Account:
    return make_account(name="Green Garden")


@pytest.fixture
def template(account: Account) -> EmailTemplate:
    return make_template(account, name="Letter")


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


def url_of(template: EmailTemplate, page: str = "change") -> str:
    return f"/admin/campaigns/emailtemplate/{template.public_id}/{page}/"


def test_saving_makes_a_new_version_and_leaves_the_old_one(door: Client, template: EmailTemplate) -> None:
    door.post(url_of(template), DRAFT)
    door.post(url_of(template), DRAFT | {"subject": "Good morning {{ first_name }}"})
    assert list(template.versions.order_by("number").values_list("subject", flat=True)) == [
        "Hello {{ first_name }}",
        "Good morning {{ first_name }}",
    ]


def test_the_table_of_placeholders_is_kept_with_the_version(door: Client, template: EmailTemplate) -> None:
    door.post(url_of(template), DRAFT | {"var_missing": ["stop", "fill"]})
    version = template.latest
    assert version is not None
    assert version.variables == [{"name": "first_name", "label": "First name", "sample": "Ada", "default": None}]


def test_a_problem_stands_beside_its_field_with_its_line(door: Client, template: EmailTemplate) -> None:
    page = door.post(url_of(template), DRAFT | {"source": f"{HTML}\n<p>{{{{ last_name }}}}</p>"}).content.decode()
    assert 'data-line="2"' in page
    assert "last_name" in page
    assert template.latest is None


def test_leading_line_breaks_survive_a_refused_save(door: Client, template: EmailTemplate) -> None:
    page = door.post(
        url_of(template), DRAFT | {"source": "\r\n\r\n{{ broken", "subject": "  spaces  "}
    ).content.decode()
    assert "\n\n\n{{ broken</textarea>" in page.replace("\r\n", "\n")
    assert 'value="  spaces  "' in page


def test_an_old_version_opens_and_saving_it_makes_it_the_newest(door: Client, template: EmailTemplate) -> None:
    make_version(template, subject="First", source=HTML)
    make_version(template, subject="Second", source=HTML)
    assert "You are looking at version 1" in door.get(f"{url_of(template)}?version=1").content.decode()
    assert door.get(f"{url_of(template)}?version=9").status_code == 404
    assert door.get(f"{url_of(template)}?version=abc").status_code == 404


def test_the_preview_shows_samples_under_a_policy_of_its_own(door: Client, template: EmailTemplate) -> None:
    make_version(template, source="<p>Hello {{ first_name }}</p><img src='https://tracker.example/x.png'>")
    answer = door.get(url_of(template, "preview"))
    policy = answer.headers["Content-Security-Policy"]
    assert "Hello Ada" in answer.content.decode()
    assert policy.startswith("sandbox; default-src 'none'")
    assert "https:" not in policy
    assert "script-src" not in policy
    loud = door.get(url_of(template, "preview") + "?images=on").headers["Content-Security-Policy"]
    assert "img-src data: https: http:" in loud


def test_the_preview_of_what_is_typed_saves_nothing(door: Client, template: EmailTemplate) -> None:
    answer = door.post(url_of(template, "preview"), DRAFT | {"source": "<p>Typed for {{ first_name }}</p>"})
    assert "Typed for Ada" in answer.content.decode()
    assert template.latest is None


def test_the_preview_of_a_broken_draft_says_what_to_correct(door: Client, template: EmailTemplate) -> None:
    answer = door.post(url_of(template, "preview"), DRAFT | {"source": "{{ <script>alert(1)</script>"})
    assert answer.status_code == 200
    assert "something to correct" in answer.content.decode()
    assert "<script>" not in answer.content.decode()


def test_the_text_part_is_shown_as_text(door: Client, template: EmailTemplate) -> None:
    answer = door.post(
        url_of(template, "preview"), DRAFT | {"part": "text", "text_source": "Hi <b>{{ first_name }}</b>"}
    )
    assert "&lt;b&gt;Ada&lt;/b&gt;" in answer.content.decode()


def test_a_test_mail_goes_through_the_default_way_out(door: Client, account: Account, template: EmailTemplate) -> None:
    make_version(template)
    sender = make_sender(account)
    answer = door.post(url_of(template, "test"), {"to": "me@example.com", "sender": sender.pk})
    submission = Submission.objects.get()
    assert answer.status_code == 302
    assert "me@" not in answer.headers["Location"]
    assert submission.door == Door.TEST
    assert submission.transport.is_default


@pytest.mark.django_db(transaction=True)
def test_a_test_mail_arrives_in_the_sandbox(door: Client, account: Account, template: EmailTemplate) -> None:
    make_version(template)
    door.post(url_of(template, "test"), {"to": "me@example.com", "sender": make_sender(account).pk})
    assert SandboxMail.objects.get().recipient == "me@example.com"


def test_a_test_mail_needs_an_address_and_a_sender_of_the_account(
    door: Client, account: Account, template: EmailTemplate
) -> None:
    make_version(template)
    foreign = make_sender(make_account())
    for given in ({"to": "nobody", "sender": make_sender(account).pk}, {"to": "me@example.com", "sender": foreign.pk}):
        assert door.post(url_of(template, "test"), given).status_code == 200
    assert not Submission.objects.exists()


def test_a_new_template_starts_from_a_letter_or_from_nothing(door: Client, account: Account) -> None:
    door.post("/admin/campaigns/emailtemplate/add/", {"name": "From a letter", "starter": "0"})
    door.post("/admin/campaigns/emailtemplate/add/", {"name": "From nothing", "starter": ""})
    assert account.templates.get(name="From a letter").latest is not None
    nothing = account.templates.get(name="From nothing")
    assert nothing.latest is None
    assert door.get(url_of(nothing)).status_code == 200


def test_a_template_is_renamed(door: Client, account: Account, template: EmailTemplate) -> None:
    make_template(account, name="Taken")
    assert "has this name" in door.post(url_of(template, "rename"), {"name": "Taken"}).content.decode()
    door.post(url_of(template, "rename"), {"name": "Better"})
    template.refresh_from_db()
    assert template.name == "Better"


def test_a_template_in_use_is_not_deleted(door: Client, account: Account, template: EmailTemplate) -> None:
    version = make_version(template)
    sender = make_sender(account, domain=make_domain(account))
    door.post(url_of(template, "test"), {"to": "me@example.com", "sender": sender.pk})
    assert Submission.objects.filter(content=version).exists()
    page = door.get(url_of(template, "delete")).content.decode()
    assert "still in use" in page
    door.post(url_of(template, "delete"), {"post": "yes"})
    assert EmailTemplate.objects.filter(pk=template.pk).exists()


def test_a_viewer_reads_a_template_without_fields_to_type_in(
    client: Client, account: Account, template: EmailTemplate
) -> None:
    make_version(template)
    client.force_login(make_user(account, role=Role.VIEWER))
    page = client.get(f"/admin/campaigns/emailtemplate/{template.public_id}/change/").content.decode()
    assert '<fieldset class="stack" disabled>' in page
    assert "Show the mail as typed" not in page
    assert "?version=1&amp;part=text" in page
