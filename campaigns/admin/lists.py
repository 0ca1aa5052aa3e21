"""Lists: who is on them, and the way to bring people in."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.text import slugify

from campaigns.admin.paging import CappedPaginator
from campaigns.admin.rights import Right, may
from campaigns.admin.scoping import AccountScopedAdmin, AccountScopedForm, SealpostChangeList
from campaigns.admin.tracking_words import LevelField
from campaigns.models import Campaign, CampaignState, ContactList, Subscription, SubscriptionState

_PER_PAGE = 50
# As many campaigns as a page names before the reader has understood.
_NAMED = 10


class ListForm(AccountScopedForm):
    tracking = LevelField(
        inherit="As the account says",
        label="Opens and clicks",
        help_text="Of a campaign to several lists the strictest counts for everybody.",
    )

    class Meta:
        model = ContactList
        fields = ("account", "name", "description", "is_public", "public_description", "tracking")
        help_texts: ClassVar[dict[str, str]] = {
            "name": "People can read it on the page where they unsubscribe.",
            "description": "For yourselves: who is on it and what they get.",
            "is_public": "Readers can join and leave it by themselves on their preference page.",
            "public_description": "Shown there below the name.",
        }
        widgets: ClassVar[dict[str, forms.Widget]] = {"description": forms.Textarea(attrs={"rows": 2})}


class SizedList(SealpostChangeList):
    """The list of lists with their sizes, counted for the whole page in one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        sizes = count_by_state([row.pk for row in self.result_list])
        for row in self.result_list:
            row.sizes = sizes.get(row.pk, {})


def count_by_state(lists: list[int]) -> dict[int, dict[str, int]]:
    """How many people are in which state, by list."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    rows = Subscription.objects.filter(list__in=lists).values_list("list_id", "state").annotate(people=Count("pk"))
    for list_id, state, people in rows.order_by():
        found[list_id][state] = people
    return found


@admin.register(ContactList)
class ContactListAdmin(AccountScopedAdmin):
    """Lists of one's accounts."""

    form = ListForm
    right_to_change: ClassVar[Right] = Right.IMPORT
    list_display = ("name", "subscribed", "unsubscribed", "description")
    search_fields = ("name",)
    list_lead: ClassVar[str] = "Groups of people who agreed to hear from you."
    add_label: ClassVar[str] = "Make a list"
    change_form_template = "admin/campaigns/contactlist/change_form.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return SizedList

    @admin.display(description="Subscribed")
    def subscribed(self, row: ContactList) -> str:
        return f"{_sizes(row).get(SubscriptionState.SUBSCRIBED, 0):,}"

    @admin.display(description="Unsubscribed")
    def unsubscribed(self, row: ContactList) -> str:
        return f"{_sizes(row).get(SubscriptionState.UNSUBSCRIBED, 0):,}"

    def save_model(self, request: HttpRequest, obj: ContactList, form: Any, change: bool) -> None:
        if not change:
            obj.slug = _free_slug(obj)
        super().save_model(request, obj, form, change)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[Any], list[Any]]:
        """A list stays while a campaign still to be sent names it: without it, the wrong people would get the mail."""
        names, counts, lacking, protected = super().get_deleted_objects(objs, request)
        rows = Campaign.objects.filter(Q(lists__in=objs) | Q(excluded_lists__in=objs))
        rows = rows.exclude(state__in=(CampaignState.SENT, CampaignState.CANCELLED)).distinct().order_by("name")
        waiting = [f"The campaign “{row.name}” ({row.get_state_display().lower()})" for row in rows[:_NAMED]]
        return names, counts, lacking, [*protected, *waiting]

    def url_after_saving(self, obj: ContactList, *, is_new: bool) -> str:  # noqa: ARG002
        return self.url_of(obj)

    def words_after_saving(self, obj: ContactList, *, is_new: bool) -> str:
        return f"{obj} is ready. Import people into it, or add them one by one." if is_new else f"{obj} is saved."

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The list with its people, a page at a time."""
        row: ContactList = self.find_object(request, object_id)
        sizes = count_by_state([row.pk])[row.pk]
        state = request.GET.get("state", "")
        people = CappedPaginator(_subscriptions(row, state), _PER_PAGE).get_page(request.GET.get("page"))
        context = {
            "sizes": [(kind, label, sizes.get(kind, 0)) for kind, label in SubscriptionState.choices],
            "total": sum(sizes.values()),
            "state": state,
            "people": people,
            "import_url": f"{reverse('admin:campaigns_importjob_add')}?list={row.public_id}",
            "may_import": may(request, Right.IMPORT, account_id=row.account_id),
        }
        response: HttpResponse = super().change_view(request, object_id, form_url, context | (extra_context or {}))
        return response


def _sizes(row: ContactList) -> dict[str, int]:
    sizes: dict[str, int] = getattr(row, "sizes", {})
    return sizes


def _subscriptions(row: ContactList, state: str) -> Any:
    rows = Subscription.objects.filter(list=row).select_related("contact").order_by("-pk")
    return rows.filter(state=state) if state in SubscriptionState.values else rows


def _free_slug(row: ContactList) -> str:
    """A short name nobody in the account has yet; it goes into the mail's technical headers and never changes."""
    base = slugify(row.name)[:50] or "list"
    taken = set(
        ContactList.objects.filter(account=row.account_id, slug__startswith=base).values_list("slug", flat=True)
    )
    slug, number = base, 1
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug
