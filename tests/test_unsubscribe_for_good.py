"""Nothing but the person's own new consent brings back somebody who unsubscribed (UN-06, UN-07, UN-12, evil 7)."""

from collections.abc import Callable
from io import BytesIO

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.audiences import consent, importing, suppression
from campaigns.models import ConsentKind, Contact
from campaigns.planning.audience import count_people
from tests.test_unsubscribe import NOW, Sent

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


class Life(Sent):
    """Everything that can happen to one person and their old mail, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.client = Client()
        self.address = self.contact.email
        self.left_weekly = self.left_everything = False

    def get(self) -> None:
        self.client.get(f"/u/{self.token}")

    def head(self) -> None:
        self.client.head(f"/u/{self.token}")

    def one_click(self) -> None:
        self._post("List-Unsubscribe=One-Click")

    def confirm(self) -> None:
        self._post("confirm=1")

    def confirm_all(self) -> None:
        self._post("confirm=1&all_marketing=1")
        self.left_everything = True

    def _post(self, body: str) -> None:
        assert self.client.post(f"/u/{self.token}", body, content_type=FORM).status_code == 200
        self.left_weekly = True

    def import_again(self) -> None:
        """The same address in another spelling, in a file that says they are subscribed."""
        row = f"Email;subscribed\n {self.address.upper()} ;yes\n".encode()
        job = importing.start_import(
            self.account, list=self.weekly, file=BytesIO(row), filename="again.csv", consent_kind=ConsentKind.EXPRESS
        )
        importing.run_import(job.pk)

    def subscribe_by_a_colleague(self) -> None:
        contact = Contact.objects.filter(account=self.account).first()
        if contact is not None:
            consent.subscribe(contact, list=self.weekly, now=NOW, source="by hand")

    def delete_contact(self) -> None:
        Contact.objects.filter(account=self.account).delete()

    def delete_message(self) -> None:
        self.submission.messages.all().delete()

    def receives(self) -> bool:
        """Whether a campaign to the list would plan the person, and hand the mail over."""
        audience = count_people(self.account, list_ids=[self.weekly.pk], excluded_list_ids=[], purpose="marketing")
        return audience.recipients > 0 or not self.blocked(self.weekly)


STEPS: list[Callable[[Life], None]] = [
    Life.get,
    Life.head,
    Life.one_click,
    Life.confirm,
    Life.confirm_all,
    Life.import_again,
    Life.subscribe_by_a_colleague,
    Life.delete_contact,
    Life.delete_message,
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), max_size=8))
def test_no_course_of_events_makes_them_receive_again(steps: list[Callable[[Life], None]]) -> None:
    life = Life()
    for step in steps:
        step(life)
        assert not (life.left_weekly and life.receives())
        key = life.contact.address_key
        people = Contact.objects.filter(address_key=key).values_list("pk", flat=True)
        everything = suppression.blocked(
            life.account.pk, keys=[key], contact_ids=list(people), purpose="marketing", list_ids=[life.offers.pk]
        )
        assert not life.left_everything or key in everything


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from([Life.get, Life.head, Life.import_again, Life.delete_message]), max_size=6))
def test_looking_at_the_page_never_stops_anybody(steps: list[Callable[[Life], None]]) -> None:
    life = Life()
    for step in steps:
        step(life)
    assert life.receives()
    assert life.scopes() == []
