"""Pools of ways to send: which ways are in them, in which order, and which domains leave by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.forms.boundfield import BoundField
from django.http import HttpRequest, HttpResponse

from campaigns.admin.pages import AccountForm
from campaigns.admin.room_screens import RoomScreen
from campaigns.errors import CampaignError
from campaigns.models import LOWEST_PRIORITY, Domain, Transport, TransportPool
from campaigns.outbox import pools

_OUT = "out"
_WORDS = {
    "pool.name-taken": "Another pool has this name. Choose another.",
    "pool.name-invalid": "A name is made of letters, digits and signs that can be seen.",
}


class NewPoolForm(AccountForm):
    name = forms.CharField(
        max_length=100, help_text="Such as “Receipts”. Programs name a pool by its id, people by this."
    )
    field_order = ("account", "name")


class PoolForm(forms.Form):
    """A pool's name, the place in it of each way to send, and its place among the pools of each domain."""

    name = forms.CharField(max_length=100)

    def __init__(self, *args: Any, pool: TransportPool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].initial = pool.name
        self._ways = {f"way-{way.public_id}": way for way in pools.list_ways(pool.account)}
        self._domains = {f"domain-{domain.public_id}": domain for domain in pool.account.domains.order_by("name")}
        order = [member.transport_id for member in pools.members_of(pool)]
        for name, way in self._ways.items():
            place = order.index(way.pk) if way.pk in order else None
            self.fields[name] = _ask_place(way.name, "Not in this pool", "used first", len(self._ways), place)
        asked = dict(pool.assignments.values_list("domain_id", "priority"))
        for name, domain in self._domains.items():
            place = asked.get(domain.pk)
            self.fields[name] = _ask_place(domain.name, "Not by this pool", "asked first", LOWEST_PRIORITY + 1, place)

    @property
    def ways(self) -> list[BoundField]:
        return [self[name] for name in self._ways]

    @property
    def domains(self) -> list[BoundField]:
        return [self[name] for name in self._domains]

    def chosen_ways(self) -> dict[Transport, int]:
        """The ways that are in the pool, each with its place."""
        return {way: place for name, way in self._ways.items() if (place := self.cleaned_data[name]) is not None}

    def chosen_domains(self) -> dict[Domain, int]:
        """The domains that leave by the pool, each with its place among theirs."""
        return {
            domain: place for name, domain in self._domains.items() if (place := self.cleaned_data[name]) is not None
        }


@admin.register(TransportPool)
class TransportPoolAdmin(RoomScreen):
    """The pools of one's accounts."""

    list_display = ("name", "ways", "domains")
    list_lead: ClassVar[str] = (
        "A pool is a named set of ways to send. A program may name the one its mail leaves by, and a domain can have its own."
    )
    list_empty: ClassVar[str] = "Without a pool, mail leaves by the account's default way to send."
    add_label: ClassVar[str] = "Make a pool"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("account").prefetch_related("members__transport", "assignments__domain")

    @admin.display(description="Ways to send")
    def ways(self, pool: TransportPool) -> str:
        return _join(member.transport.name for member in pool.members.all())

    @admin.display(description="Domains")
    def domains(self, pool: TransportPool) -> str:
        return _join(sorted(entry.domain.name for entry in pool.assignments.all()))

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Make one; what is in it is said on its page."""
        form = NewPoolForm(request.POST or None, accounts=self.accounts_to_change(request))

        def add(given: dict[str, Any]) -> str:
            pool = _in_words(lambda: pools.create_pool(given["account"], name=given["name"]))
            messages.success(request, f"{pool} is made. Now say what is in it.")
            return self.url_of(pool)

        return self.show_form(request, form, add, title=self.add_label, button="Make it")

    def row_page(self, request: HttpRequest, pool: TransportPool, /) -> HttpResponse:
        """Its id for programs, its ways in their order, and its domains."""
        if request.method == "POST":
            self.require_change(request, pool)
        form = PoolForm(request.POST if request.method == "POST" else None, pool=pool)

        def save(given: dict[str, Any]) -> str:
            with transaction.atomic():
                _in_words(lambda: pools.rename_pool(pool, name=given["name"]))
                pools.arrange_ways(pool, places=form.chosen_ways())
                pools.arrange_domains(pool, places=form.chosen_domains())
            messages.success(request, f"{pool} is saved.")
            return self.url_of(view="changelist")

        return self.show_form(
            request, form, save, title=self.name_of(pool), template="admin/campaigns/transportpool/page.html", obj=pool,
            pool=pool, ways=self.ways(pool), domains=self.domains(pool),
            may_change=self.has_change_permission(request, pool), delete_url=self.url_of(pool, view="delete"),
        )  # fmt: skip


def _ask_place(label: str, none: str, first: str, count: int, place: int | None) -> forms.TypedChoiceField:
    places = [(str(number), f"Place {number + 1}") for number in range(count)]
    places[:1] = [("0", f"Place 1, {first}")]
    return forms.TypedChoiceField(
        label=label, choices=[(_OUT, none), *places], coerce=_read_place, initial=_OUT if place is None else str(place)
    )


def _read_place(given: str) -> int | None:
    return None if given == _OUT else int(given)


def _in_words(act: Callable[[], TransportPool]) -> TransportPool:
    """What the room does; its refusals are written for programs, and said here as people say them."""
    try:
        return act()
    except CampaignError as error:
        raise CampaignError(error.code, _WORDS.get(error.code, error.safe_text)) from error


def _join(names: Iterable[str]) -> str:
    return ", ".join(names) or "–"
