"""What all our screens share: rows of one's own accounts only, rights by role, light pages.

A stranger cannot tell a row of another account from one that does not exist: both are answered with 404.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern

from campaigns.admin.deletion import collect_consequences
from campaigns.admin.pages import OwnPages, id_field
from campaigns.admin.rights import Right, accounts_of, may
from campaigns.admin.words import show_time
from campaigns.models import Account

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _ModelForm = forms.ModelForm[Any]
    _TabularInline = admin.TabularInline[Any, Any]
else:
    _TabularInline = admin.TabularInline
    _ModelAdmin = admin.ModelAdmin
    _ModelForm = forms.ModelForm


class SealpostAdmin(OwnPages, _ModelAdmin):
    """A screen under our theme: no jQuery, no pop-ups, no bulk actions, no history page; 404 for what is not there."""

    actions = None
    empty_value_display = "–"
    list_per_page = 50
    show_full_result_count = False
    # What the list page says under its title, where nothing is on it, and on its button.
    list_lead: ClassVar[str] = ""
    list_empty: ClassVar[str] = ""
    add_label: ClassVar[str] = ""
    change_form_template = "admin/change_form.html"

    @property
    def media(self) -> forms.Media:
        # The stock scripts (jQuery, pop-ups) are not used by our templates.
        return forms.Media()

    def get_urls(self) -> list[URLPattern]:
        return [url for url in super().get_urls() if not (url.name or "").endswith("_history")]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:  # noqa: ARG002
        """The row by its public id (by its key where it has none) among those the person may know of, or None."""
        rows = self.get_queryset(request)
        try:
            return rows.filter(**{id_field(self.model): object_id}).first()
        except (ValidationError, ValueError):
            return None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return SealpostChangeList

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:  # noqa: ARG002
        raise Http404

    @admin.display(description="Added", ordering="created_at")
    def added(self, obj: Any) -> str:
        return show_time(obj.created_at)

    def find_object(self, request: HttpRequest, object_id: object) -> Any:
        """The row for a screen of our own, or 404 when it does not exist for this person."""
        found = self.get_object(request, str(object_id))
        if found is None or not self.has_view_permission(request, found):
            raise Http404
        return found

    def require_change(self, request: HttpRequest, obj: models.Model) -> None:
        """Returns when the person may change the row; else 403 (they know it exists: they see it)."""
        if not self.has_change_permission(request, obj):
            raise PermissionDenied

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        kwargs.setdefault("queryset", scope_rows(db_field.related_model, request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField[Any] | None:
        kwargs.setdefault("queryset", scope_rows(db_field.related_model, request))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return _unwrap(super().formfield_for_dbfield(db_field, request, **kwargs))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= {"add_title": self.add_label, "object_url": "", "delete_url": ""}
        if obj is not None:
            context |= {"object_url": self.url_of(obj), "delete_url": self.url_of(obj, view="delete")}
        return super().render_change_form(request, context, add, change, form_url, obj)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Before the question of rights: a stranger learns nothing, not even that it is forbidden.
        self.find_object(request, object_id)
        response: HttpResponse = super().delete_view(request, object_id, extra_context)
        return response

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        context |= {"object_url": self.url_of(context["object"]), "here": self.name_of(context["object"])}
        return super().render_delete_form(request, context)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:  # noqa: ARG002
        messages.success(request, self.words_after_saving(obj, is_new=True))
        return HttpResponseRedirect(self.url_after_saving(obj, is_new=True))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        messages.success(request, self.words_after_saving(obj, is_new=False))
        return HttpResponseRedirect(self.url_after_saving(obj, is_new=False))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:  # noqa: ARG002
        messages.success(request, f"Deleted: {obj_display}")
        return HttpResponseRedirect(self.url_of(view="changelist"))

    def words_after_saving(self, obj: Any, *, is_new: bool) -> str:
        return f"Added: {obj}" if is_new else f"Saved: {obj}"

    def url_after_saving(self, obj: Any, *, is_new: bool) -> str:  # noqa: ARG002
        return self.url_of(view="changelist")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[Any], list[Any]]:
        """Counts instead of Django's list of every row: a list can have a million subscriptions."""
        counts, protected = collect_consequences(self.model._base_manager.filter(pk__in=[row.pk for row in objs]))
        lacking = set() if all(self.has_delete_permission(request, row) for row in objs) else {self.opts.verbose_name}
        return [str(row) for row in objs], counts, lacking, protected


class SealpostInline(_TabularInline):
    """Rows of another table on a page of this one, for superusers."""

    extra = 1

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return _unwrap(super().formfield_for_dbfield(db_field, request, **kwargs))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return bool(request.user.is_active and request.user.is_superuser)

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission


def _unwrap(field: Any) -> Any:
    # The wrapper adds pop-up links for adding related rows; the widget inside is all we show.
    if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
        field.widget = field.widget.widget
    return field


class SealpostChangeList(ChangeList):
    """Links rows by their public id."""

    def url_for_result(self, result: models.Model) -> str:
        return cast("SealpostAdmin", self.model_admin).url_of(result)


class AccountScopedForm(_ModelForm):
    """Checks uniqueness within the account even when its field is hidden, and that chosen rows share the account."""

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"account"}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        account = cleaned.get("account") or getattr(self.instance, "account", None)
        for name, chosen in cleaned.items():
            rows = [chosen] if isinstance(chosen, models.Model) else chosen
            if isinstance(rows, (list, models.QuerySet)) and any(_is_foreign(row, account) for row in rows):
                self.add_error(name, "This belongs to another account. Choose one of the same account.")
        return cleaned


def _is_foreign(row: object, account: Account | None) -> bool:
    owner = getattr(row, "account_id", None)
    return owner is not None and account is not None and owner != account.pk


class AccountScopedAdmin(SealpostAdmin):
    """A screen of rows that belong to an account: people see those of their accounts, roles say what they may do.

    The account field is filled and hidden for people with one account, chosen once on adding, and fixed after.
    """

    form = AccountScopedForm
    account_path: ClassVar[str] = "account"
    right_to_view: ClassVar[Right] = Right.VIEW
    right_to_change: ClassVar[Right] = Right.MANAGE_DOMAINS

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.account_path}__in": accounts_of(request.user)})

    def account_id_of(self, obj: Any) -> int:
        """The id of the account a row belongs to."""
        *steps, last = self.account_path.split("__")
        for step in steps:
            obj = getattr(obj, step)
        account_id: int = obj.pk if last == "pk" else getattr(obj, f"{last}_id")
        return account_id

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request, self.right_to_view)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.right_to_view, obj) or self._may(request, self.right_to_change, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may(request, self.right_to_change)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.right_to_change, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.right_to_change, obj)

    def _may(self, request: HttpRequest, right: Right, obj: Any) -> bool:
        return may(request, right, account_id=None if obj is None else self.account_id_of(obj))

    def only_account(self, request: HttpRequest) -> Account | None:
        """The account, when there is no choice."""
        found = list(accounts_of(request.user)[:2])
        return found[0] if len(found) == 1 else None

    def has_account_field(self) -> bool:
        try:
            self.opts.get_field("account")
        except FieldDoesNotExist:
            return False
        return self.account_path == "account"

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = list(super().get_list_display(request))
        if self.has_account_field() and self.only_account(request) is None:
            shown.append("account")
        return shown

    def get_list_select_related(self, request: HttpRequest) -> Any:
        chosen = super().get_list_select_related(request)
        return [*chosen, "account"] if isinstance(chosen, (list, tuple)) and self.has_account_field() else chosen

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if not self.has_account_field() or self.only_account(request) is None:
            return fieldsets
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "account"]})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = tuple(super().get_readonly_fields(request, obj))
        return (*fixed, "account") if obj is not None and self.has_account_field() else fixed

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        only = self.only_account(request) if self.has_account_field() and obj is None else None
        if only is None:
            return form

        class FilledForm(form):  # type: ignore[valid-type,misc]
            """The form for somebody with one account: it is the row's account before anything is checked."""

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                if self.instance.account_id is None:
                    self.instance.account = only

        return FilledForm

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        if db_field.name == "account":
            kwargs["queryset"] = self.accounts_to_change(request)
            kwargs.setdefault("empty_label", "Choose an account")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def accounts_to_change(self, request: HttpRequest) -> models.QuerySet[Account]:
        """The accounts in which the person may add rows of this screen."""
        allowed = [pk for pk in accounts_of(request.user).values_list("pk", flat=True)
                   if may(request, self.right_to_change, account_id=pk)]  # fmt: skip
        return Account.objects.filter(pk__in=allowed)


def scope_rows(model: type[models.Model], request: HttpRequest) -> models.QuerySet[Any]:
    """The rows of a model this person may choose from: those of their accounts, where it has accounts."""
    rows = model._default_manager.all()
    if request.user.is_superuser:
        return rows
    accounts = accounts_of(request.user)
    if model is Account:
        return rows.filter(pk__in=accounts)
    if any(field.name == "account" for field in model._meta.fields):
        return rows.filter(account__in=accounts)
    if any(field.name == "template" for field in model._meta.fields):
        return rows.filter(template__account__in=accounts)
    return rows.none()
