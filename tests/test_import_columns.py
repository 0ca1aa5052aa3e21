"""Columns: which holds the address, what the others are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.audiences.columns import check_mapping, label_columns, suggest_mapping, suggest_name
from campaigns.errors import CampaignError

ADDRESSES = [["ann@example.com", "x"], ["bob@example.com", "y"]]


@pytest.mark.parametrize(
    "header",
    ["Email", "E-mail", "EMAIL ADDRESS", "e_mail", "Mail", "Adresse e-mail", "Correo electrónico", "Indirizzo e-mail",
     "E-Mail-Adresse", "El. paštas", "Электронная почта", "Sähköposti", "メールアドレス", "Courriel", "邮箱"],
)  # fmt: skip
def test_the_email_column_is_known_by_its_name(header: str) -> None:
    assert suggest_mapping([header, "Other"], [["", ""]])[header] == "email"


def test_the_email_column_is_known_by_what_it_holds() -> None:
    assert suggest_mapping(["Contact", "Name"], ADDRESSES) == {"Contact": "email", "Name": "name"}


def test_a_column_named_email_that_holds_none_loses_to_one_that_does() -> None:
    rows = [["yes", "ann@example.com"], ["no", "bob@example.com"]]
    assert suggest_mapping(["Newsletter", "Kontakt"], rows)["Kontakt"] == "email"


def test_of_two_email_columns_the_named_one_is_chosen_and_the_other_kept() -> None:
    rows = [["a@example.com", "b@example.com"]]
    assert suggest_mapping(["Second address", "Email"], rows) == {"Second address": "second_address", "Email": "email"}


def test_nothing_is_called_email_when_nothing_looks_like_it() -> None:
    assert "email" not in suggest_mapping(["Name", "City"], [["Ann", "Rome"]]).values()


@pytest.mark.parametrize(
    ("label", "name"),
    [("First Name", "first_name"), ("firstName", "first_name"), ("Prénom", "prenom"), ("Straße", "strasse"),
     ("CustomerID", "customer_id"), ("2nd phone", "n_2nd_phone"), ("Имя", "column_7"), ("  % ", "column_7")],
)  # fmt: skip
def test_a_header_becomes_a_name_templates_can_use(label: str, name: str) -> None:
    assert suggest_name(label, taken=set(), number=7) == name


def test_empty_and_repeated_headers_are_told_apart() -> None:
    assert label_columns(["Name", "", "Name", " ", "Name (2)"]) == [
        "Name", "Column 2", "Name (2)", "Column 4", "Name (2) (2)",
    ]  # fmt: skip


def test_names_templates_already_have_are_not_suggested() -> None:
    names = suggest_mapping(["Email", "Account name", "unsubscribe url", "For"], []).values()
    assert {"account_name", "unsubscribe_url", "for"}.isdisjoint(names)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_any_header_gives_a_mapping_that_can_be_used(header: list[str]) -> None:
    labels = label_columns(["Email", *header])
    assert len(set(labels)) == len(labels)
    mapping = suggest_mapping(labels, [["a@example.com"]])
    assert check_mapping(mapping, labels=labels) == mapping


@pytest.mark.parametrize(
    ("mapping", "code"),
    [({"A": "email", "B": "email"}, "import.no-email-column"), ({"B": "name"}, "import.no-email-column"),
     ({"A": "email", "B": "First Name"}, "import.name-invalid"), ({"A": "email", "B": "for"}, "import.name-reserved"),
     ({"A": "email", "B": "x", "C": "x"}, "import.name-twice"), ({"A": "email", "Z": "z"}, "import.column-unknown")],
)  # fmt: skip
def test_a_mapping_that_cannot_be_used_is_refused(mapping: dict[str, str], code: str) -> None:
    with pytest.raises(CampaignError) as caught:
        check_mapping(mapping, labels=["A", "B", "C"])
    assert caught.value.code == code


def test_columns_not_named_are_left_out() -> None:
    assert check_mapping({"A": "email"}, labels=["A", "B"]) == {"A": "email", "B": ""}
