"""/email/1/templates: made, changed and shown as forms have them, version by version."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from infobip_api_client.exceptions import BadRequestException, NotFoundException
from pytest_django.live_server_helper import LiveServer

from campaigns.content import templates
from campaigns.content.letter import Attachment
from campaigns.models import EmailTemplate, TemplateAttachment
from campaigns.numbers import number_of
from tests.api_resources import PatientProgram, faults, official_client, refusal_of
from tests.factories import make_account, make_campaign, make_landing_page, make_template, make_version

pytestmark = pytest.mark.django_db
PATH = "/email/1/templates"
HTML = '<html lang="en"><body><p>Hello {{ first_name }}, your {{ order.number }}.</p></body></html>'
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


@pytest.fixture
def program(clock: time_machine.Traveller) -> PatientProgram:
    return PatientProgram(clock)


def create(program: PatientProgram, **parts: Any) -> Any:
    return program.form("POST", PATH, **{"html": HTML, **parts})


def make(program: PatientProgram, **parts: Any) -> tuple[str, EmailTemplate]:
    """A template made by the API: its path, and its row."""
    response = create(program, **parts)
    assert response.status_code == 201, response.content
    return f"{PATH}/{response.json()['id']}", EmailTemplate.objects.latest("pk")


def file(name: str = "a.pdf", data: bytes = PDF, kind: str = "application/pdf") -> dict[str, str]:
    return {"contentType": kind, "fileName": name, "data": base64.b64encode(data).decode()}


def test_a_template_is_made_with_all_it_holds(program: PatientProgram) -> None:
    page = make_landing_page(program.account).public_id.hex
    response = create(
        program,
        **{
            "name": "Order",
            "from": "Shop <shop@x.example>",
            "replyTo": "help@x.example",
            "subject": "Your {{ order.number }}",
            "preheader": "It is on its way",
            "landingPage": page,
            "attachments": json.dumps([file()]),
        },
    )
    assert response.status_code == 201, response.content
    answer, template = response.json(), EmailTemplate.objects.get()
    (kept,) = TemplateAttachment.objects.all()
    assert answer.pop("createdAt") <= answer.pop("updatedAt")
    assert answer == {
        "id": number_of(template.public_id),
        "name": "Order",
        "from": "Shop <shop@x.example>",
        "replyTo": "help@x.example",
        "subject": "Your {{ order.number }}",
        "preheader": "It is on its way",
        "html": HTML,
        "isHtmlEditable": True,
        "attachments": [
            {"id": kept.public_id.hex, "contentType": "application/pdf", "fileName": "a.pdf", "size": len(PDF)}
        ],
        "landingPageId": page,
    }
    assert template.account == program.account


def test_variables_are_what_the_texts_ask_for(program: PatientProgram) -> None:
    _, template = make(program, subject="For {{ city }}", html=f"{HTML}{{{{ unsubscribe_url }}}}{{$unsubscribe}}")
    assert template.latest is not None
    assert [variable["name"] for variable in template.latest.variables] == ["city", "first_name", "order"]


def test_what_a_person_said_about_a_variable_stays(program: PatientProgram) -> None:
    version = make_version(program.account)
    path = f"{PATH}/{number_of(version.template.public_id)}"
    assert program.form("PATCH", path, html=f"{version.source}{{{{ extra }}}}").status_code == 200
    assert version.template.latest.variables[0] == version.variables[0]  # type: ignore[union-attr]
    assert version.template.latest.variables[1]["name"] == "extra"  # type: ignore[union-attr]


def test_names_of_parts_match_in_any_case(program: PatientProgram) -> None:
    _, template = make(program, HTML=HTML, html=[], REPLYTO="help@x.example")
    assert template.reply_to == "help@x.example"


def test_html_is_all_a_template_needs(program: PatientProgram) -> None:
    names = [create(program).json()["name"] for _ in range(2)]
    assert names == ["Untitled template", "Untitled template 2"]
    assert create(program, name="Order").json()["subject"] == "Order"


def test_each_change_is_a_version_and_no_change_is_none(program: PatientProgram) -> None:
    path, template = make(program, name="Order", subject="One")
    assert program.form("PATCH", path, subject="Two").json()["subject"] == "Two"
    program.form("PATCH", path, subject="Two")
    program.form("PATCH", path, replyTo="help@x.example")
    assert [version.subject for version in template.versions.order_by("number")] == ["One", "Two"]


def test_patching_changes_what_is_given_and_replacing_empties_the_rest(program: PatientProgram) -> None:
    path, _ = make(
        program,
        name="Order",
        subject="One",
        preheader="Before",
        replyTo="help@x.example",
        attachments=json.dumps([file()]),
    )
    answer = program.form("PATCH", path, preheader="After").json()
    assert (answer["subject"], answer["preheader"], answer["replyTo"]) == ("One", "After", "help@x.example")
    answer = program.form("PUT", path, html="<p>New</p>", subject="Two").json()
    assert (answer["subject"], answer["preheader"], answer["replyTo"], answer["html"]) == ("Two", "", "", "<p>New</p>")
    assert (answer["name"], len(answer["attachments"])) == ("Order", 1)
    answer = program.form("PUT", path, html="<p>New</p>", attachments="[]").json()
    assert (answer["subject"], answer["attachments"]) == ("Order", [])


def test_other_html_needs_another_text_part(program: PatientProgram) -> None:
    version = make_version(program.account, text_source="Old words {{ first_name }}")
    path = f"{PATH}/{number_of(version.template.public_id)}"
    program.form("PATCH", path, subject="New", html=version.source)
    assert version.template.latest.text_source == "Old words {{ first_name }}"  # type: ignore[union-attr]
    program.form("PATCH", path, html="<p>New words</p>")
    assert version.template.latest.text_source == ""  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "source"), [("mjml", "<mjml><mj-body></mj-body></mjml>"), ("text", "Hi <you> {{ email }}")]
)
def test_html_that_was_not_written_as_html_can_be_read_only(program: PatientProgram, kind: str, source: str) -> None:
    version = make_version(program.account, source_kind=kind, source=source, variables=[])
    path = f"{PATH}/{number_of(version.template.public_id)}"
    answer = program.get(path).json()
    assert (answer["isHtmlEditable"], "<html" in answer["html"]) == (False, True)
    assert faults(program.form("PATCH", path, html="<p>Other</p>")).keys() == {"html"}
    changed = program.form("PATCH", path, html=answer["html"], subject="Other")
    assert (changed.status_code, changed.json()["subject"]) == (200, "Other")
    assert version.template.latest.source == source  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ({"html": []}, "html"),
        ({"html": ""}, "html"),
        ({"html": "<p>{{ first name }}</p>"}, "html"),
        ({"html": "<p>{{#if a}}x{{/if}}</p>"}, "html"),
        ({"html": "<script>{{ a }}</script>"}, "html"),
        ({"html": "a\0b"}, "html"),
        ({"subject": "x" * 201}, "subject"),
        ({"subject": "two\nlines"}, "subject"),
        ({"subject": "{{"}, "subject"),
        ({"preheader": "x" * 76}, "preheader"),
        ({"name": "x" * 121}, "name"),
        ({"from": "nobody"}, "from"),
        ({"from": "Shop\r\nBcc: a@b.example <a@b.example>"}, "from"),
        ({"replyTo": "nobody"}, "replyTo"),
        ({"landingPage": "x" * 61}, "landingPage"),
        ({"landingPage": "1_23456"}, "landingPage"),
        ({"attachments": "{"}, "attachments"),
        ({"attachments": "[{}]"}, "attachments[0].contentType"),
        ({"attachments": json.dumps([{**file(), "data": "%%"}])}, "attachments[0].data"),
        ({"attachments": json.dumps([file("a.exe")])}, "attachments"),
        ({"attachments": json.dumps([file("a.pdf", b"MZ")])}, "attachments"),
        ({"attachments": json.dumps([file("a.exe.pdf")])}, "attachments"),
    ],
)
def test_a_fault_is_told_by_its_part(program: PatientProgram, parts: dict[str, Any], fault: str) -> None:
    response = create(program, **parts)
    assert fault in faults(response)
    assert not EmailTemplate.objects.exists()


def test_a_name_is_taken_once(program: PatientProgram) -> None:
    make(program, name="Order")
    path, _ = make(program, name="Other")
    taken = {"name": "is the name of another template"}
    assert faults(create(program, name="Order")) == faults(program.form("PATCH", path, name="Order")) == taken
    make(PatientProgram(program.clock), name="Order")


def test_templates_come_in_pages(program: PatientProgram) -> None:
    make(program, name="First")
    make_template(program.account, name="Second")
    make_template(make_account())
    answer = program.get(PATH, size=1, page=1).json()
    assert answer["paging"] == {"page": 1, "size": 1, "totalPages": 2, "totalResults": 2}
    assert [row["name"] for row in answer["results"]] == ["Second"]
    assert faults(program.get(PATH, size=21)).keys() == {"size"}


def test_a_template_nobody_has_written_yet_can_be_read(program: PatientProgram) -> None:
    path = f"{PATH}/{number_of(make_template(program.account).public_id)}"
    assert program.get(path).json()["html"] == ""
    assert program.form("POST", f"{path}/preview").status_code == 404
    assert faults(program.form("PATCH", path, subject="Hi")).keys() == {"html"}


def test_a_template_is_deleted(program: PatientProgram) -> None:
    path, _ = make(program)
    assert program.delete(path).status_code == 204
    assert program.get(path).status_code == 404
    assert not EmailTemplate.objects.exists()


def test_a_template_that_was_used_is_out_of_reach_and_frees_its_name(program: PatientProgram) -> None:
    path, template = make(program, name="Order")
    campaign = make_campaign(program.account, content=template.latest)
    assert program.delete(path).status_code == 204
    assert program.get(path).status_code == program.delete(path).status_code == 404
    assert program.get(PATH).json()["results"] == []
    campaign.refresh_from_db()
    assert campaign.content == template.latest
    make(program, name="Order")


def test_the_preview_shows_values_and_names_of_those_missing(program: PatientProgram) -> None:
    path, _ = make(program, html=f"{HTML}<p>{{{{ account_name }}}}</p>")
    response = program.post(f"{path}/preview", {"placeholders": {"first_name": "<Ada>"}})
    assert response["Content-Type"] == "text/html; charset=utf-8"
    shown = response.content.decode()
    assert "Hello &lt;Ada&gt;, your [order.number]." in shown
    assert program.account.name in shown
    as_form = program.form("POST", f"{path}/preview", placeholders='{"order": {"number": 7}}').content.decode()
    assert "Hello [first_name], your 7." in as_form
    assert program.form("POST", f"{path}/preview").status_code == 200
    assert faults(program.form("POST", f"{path}/preview", placeholders="secret")) == {
        "placeholders": "must be a JSON object"
    }


def test_nothing_in_a_preview_can_act(program: PatientProgram) -> None:
    path, _ = make(program)
    policy = program.post(f"{path}/preview", {})["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")


def test_a_template_that_compares_numbers_can_be_kept_and_shown(program: PatientProgram) -> None:
    path, _ = make(program, html="<p>{% if age > 17 %}{{ name }}{% endif %}</p>")
    assert "Ada" in program.post(f"{path}/preview", {"placeholders": {"age": 18, "name": "Ada"}}).content.decode()
    assert faults(program.post(f"{path}/preview", {})).keys() == {"placeholders"}


def test_attachments_are_added_listed_and_deleted(program: PatientProgram) -> None:
    path, template = make(program)
    response = program.form("POST", f"{path}/attachments", **file())
    assert response.status_code == 201
    kept = response.json()
    assert kept == {"id": kept["id"], "contentType": "application/pdf", "fileName": "a.pdf", "size": len(PDF)}
    assert program.get(f"{path}/attachments").json() == program.get(path).json()["attachments"] == [kept]
    row = TemplateAttachment.objects.get()
    assert PDF not in bytes(row.data_sealed)
    assert templates.open_attachments(template)[0].data == PDF
    assert program.delete(f"{path}/attachments/{kept['id']}").status_code == 204
    assert program.get(f"{path}/attachments").json() == []
    assert program.delete(f"{path}/attachments/{kept['id']}").status_code == 404


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"fileName": "a.exe"}, "data"),
        ({"fileName": "..\\a.pdf"}, "fileName"),
        ({"fileName": ""}, "fileName"),
        ({"data": "%%"}, "data"),
        ({"contentType": ""}, "contentType"),
    ],
)
def test_a_fault_of_an_attachment_is_told_by_its_part(
    program: PatientProgram, changes: dict[str, str], fault: str
) -> None:
    path, _ = make(program)
    assert faults(program.form("POST", f"{path}/attachments", **{**file(), **changes})).keys() == {fault}


def test_a_template_has_room_for_what_a_mail_can_carry(
    program: PatientProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = make(program)
    big = PDF + b"%" * 3_700_000
    assert [program.form("POST", f"{path}/attachments", **file(data=big)).status_code for _ in range(3)] == [
        201,
        201,
        413,
    ]
    monkeypatch.setattr(templates, "MOST_ATTACHMENTS", 2)
    assert faults(program.form("POST", f"{path}/attachments", **file())).keys() == {"data"}


def test_a_strangers_template_and_one_nobody_has_are_answered_alike(program: PatientProgram) -> None:
    path, _ = make(program, attachments=json.dumps([file()]))
    attachment = TemplateAttachment.objects.get().public_id.hex
    stranger = PatientProgram(program.clock)
    own, _ = make(stranger)

    def answers(path: str, attachment: str) -> list[tuple[int, bytes]]:
        found = [
            stranger.get(path),
            stranger.form("PUT", path, html=HTML),
            stranger.form("PATCH", path, html=HTML),
            stranger.delete(path),
            stranger.post(f"{path}/preview", {}),
            stranger.get(f"{path}/attachments"),
            stranger.form("POST", f"{path}/attachments", **file()),
            stranger.delete(f"{path}/attachments/{attachment}"),
        ]
        return [(response.status_code, response.content) for response in found]

    refused = answers(path, attachment)
    assert {status for status, _ in refused} == {404}
    assert refused == answers(f"{PATH}/12345", uuid4().hex) == answers(f"{PATH}/{2**70}", uuid4().hex)
    theirs = stranger.delete(f"{own}/attachments/{attachment}")
    assert (theirs.status_code, theirs.content) == refused[-1] or theirs.json()["description"] == "Attachment not found"
    assert TemplateAttachment.objects.filter(public_id=attachment).exists()


def test_an_attachment_of_another_template_is_not_found(program: PatientProgram) -> None:
    make(program, attachments=json.dumps([file()]))
    path, _ = make(program)
    attachment = TemplateAttachment.objects.get().public_id.hex
    assert program.delete(f"{path}/attachments/{attachment}").status_code == 404
    assert TemplateAttachment.objects.exists()


def test_a_body_that_is_no_form_is_refused(program: PatientProgram) -> None:
    assert program.post(PATH, {"html": HTML}).status_code == 415


def test_what_was_moved_to_another_file_does_not_open(program: PatientProgram) -> None:
    _, template = make(program, attachments=json.dumps([file(), file("b.pdf")]))
    first, second = TemplateAttachment.objects.order_by("pk")
    TemplateAttachment.objects.filter(pk=first.pk).update(data_sealed=second.data_sealed)
    with pytest.raises(Exception, match=r"content\.gone"):
        templates.open_attachments(template)


def test_a_room_keeps_the_order_of_files(program: PatientProgram) -> None:
    _, template = make(program, attachments=json.dumps([file(f"{n}.pdf") for n in "cab"]))
    opened: tuple[Attachment, ...] = templates.open_attachments(template)
    assert [entry.name for entry in opened] == ["c.pdf", "a.pdf", "b.pdf"]


@pytest.mark.django_db(transaction=True)
def test_the_official_sdk_manages_templates(live_server: LiveServer, clock: time_machine.Traveller) -> None:
    program = PatientProgram(clock, scopes=["email:templates:manage"])
    with official_client(live_server.url, program) as api:
        made = api.create_email_template(
            html=HTML,
            name="Order",
            var_from="Shop <shop@x.example>",
            reply_to="help@x.example",
            subject="Your order",
            preheader="It is on its way",
            attachments=json.dumps([file()]),
            landing_page=make_landing_page(program.account).public_id.hex,
        )
        assert (made.name, made.var_from, made.subject, made.html) == (
            "Order",
            "Shop <shop@x.example>",
            "Your order",
            HTML,
        )
        assert api.get_email_template(template_id=made.id) == made
        page = api.get_email_templates(page=0, size=20)
        assert (page.paging.total_results, page.results[0].id) == (1, made.id)
        assert api.update_email_template(template_id=made.id, html=HTML, subject="Two").subject == "Two"
        assert api.patch_email_template(template_id=made.id, html=HTML, preheader="Three").subject == "Two"
        shown = api.generate_email_template_preview(template_id=made.id, placeholders={"order": {"number": 7}})
        assert "Hello [first_name], your 7." in shown
        kept = api.upload_email_template_attachment(
            template_id=made.id, content_type="application/pdf", file_name="b.pdf", data=file()["data"]
        )
        assert [entry.file_name for entry in api.get_email_template_attachments(template_id=made.id)] == [
            "a.pdf",
            "b.pdf",
        ]
        api.delete_email_template_attachment(template_id=made.id, attachment_id=kept.id)
        with pytest.raises(BadRequestException) as refused:
            api.create_email_template(html="{{")
        assert refusal_of(refused).violations[0].var_property == "html"
        api.delete_email_template(template_id=made.id)
        with pytest.raises(NotFoundException) as missing:
            api.get_email_template(template_id=made.id)
        assert refusal_of(missing).error_code == "E404"
