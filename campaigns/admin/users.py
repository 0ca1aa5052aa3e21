"""People who may sign in: superusers look after them; what they may do comes from their roles in accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.forms import AdminUserCreationForm, SetPasswordForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html

from campaigns.accounts import leaving, second_factor
from campaigns.accounts.sessions import end_sessions
from campaigns.admin.scoping import SealpostAdmin, SealpostInline
from campaigns.admin.words import show_time
from campaigns.models import Account, Membership, Role

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[User]
    _CreationForm = AdminUserCreationForm[User]
    _PasswordForm = SetPasswordForm[User]
else:
    _ModelForm = forms.ModelForm
    _CreationForm = AdminUserCreationForm
    _PasswordForm = SetPasswordForm


class NewUserForm(_CreationForm):
    """A person with a first password, and where they work."""

    # Django's choice of an account without a password; ours all have one.
    usable_password = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django leaves them optional for that choice; here the page must not say "optional".
        self.fields["password1"].required = self.fields["password2"].required = True

    account = forms.ModelChoiceField(
        queryset=Account.objects.all(), required=False, empty_label="No account yet", help_text="Where they work."
    )
    role = forms.ChoiceField(choices=Role.choices, required=False, initial=Role.AUTHOR)

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email")
        labels: ClassVar[dict[str, str]] = {"username": "Name to sign in with"}
        help_texts: ClassVar[dict[str, str]] = {"username": "Letters, digits and @ . + - _ only."}


class UserForm(_ModelForm):
    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "is_active", "is_superuser")
        labels: ClassVar[dict[str, str]] = {
            "username": "Name to sign in with",
            "is_active": "May sign in",
            "is_superuser": "Superuser",
        }
        help_texts: ClassVar[dict[str, str]] = {
            "username": "",
            "is_active": "Take the tick away instead of deleting, so that the history keeps its names.",
            "is_superuser": "Sees every account and may do everything. Keep these few.",
        }


class MembershipInline(SealpostInline):
    model = Membership
    verbose_name_plural = "Works in"


@admin.register(User)
class UserAdmin(SealpostAdmin):
    """People with access; superusers only."""

    form = UserForm
    list_display = ("username", "full_name", "access", "seen")
    search_fields = ("username", "first_name", "last_name")
    list_lead: ClassVar[str] = "Everybody who may sign in. What they may do follows from their roles in each account."
    add_label: ClassVar[str] = "Add a person"
    inlines = (MembershipInline,)

    @admin.display(description="Name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or "–"

    @admin.display(description="Access")
    def access(self, user: User) -> str:
        if not user.is_active:
            return format_html('<span class="badge">{}</span>', "May not sign in")
        if user.is_superuser:
            return "Everything"
        found = [f"{row.get_role_display()} in {row.account}" for row in user.memberships.all()]
        return ", ".join(found) or "None yet: no role in any account"

    @admin.display(description="Last signed in", ordering="last_login")
    def seen(self, user: User) -> str:
        return show_time(user.last_login)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:  # noqa: ARG002
        return bool(request.user.is_active and request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self.has_view_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # Nobody locks themselves out; and who ever signed in is deactivated instead, so that the audit trail goes on naming
        # them and nobody else gets their name (45 CFR 164.312(a)(2)(i)).
        is_unused = obj is None or (obj.pk != request.user.pk and obj.last_login is None)
        return self.has_view_permission(request) and is_unused

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).prefetch_related("memberships__account")
        return rows if self.has_view_permission(request) else rows.none()

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<int:pk>/password/", self.set_password, name="password"),
            self.page("<int:pk>/second-factor/", self.remove_factor, name="factor"),
            *super().get_urls(),
        ]

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewUserForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is not None:
            return super().get_fieldsets(request, obj)
        names = ("username", "first_name", "last_name", "email", "password1", "password2", "account", "role")
        return [(None, {"fields": names})]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = context.get("original")
        return super().render_change_form(
            request, context | {"has_factor": obj is not None and second_factor.is_set_up(obj)}, *args, **kwargs
        )

    def get_inline_instances(self, request: HttpRequest, obj: User | None = None) -> Any:
        return super().get_inline_instances(request, obj) if obj is not None else []

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        # Django asks for this mark at the door; what lies behind it is the roles' business.
        obj.is_staff = True
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data and not obj.is_active:
            ended = leaving.deactivate(obj, by=_person(request), now=timezone.now())
            messages.info(
                request, f"Ended: {ended.sessions} sessions, {ended.keys} API keys, {ended.approvals} approvals."
            )
            messages.info(request, f"Until now they could reach: {'; '.join(ended.reach) or 'nothing'}.")
        if not change and form.cleaned_data.get("account"):
            account, role = form.cleaned_data["account"], form.cleaned_data.get("role") or Role.AUTHOR
            Membership.objects.create(user=obj, account=account, role=role)
            leaving.give_role(obj, account=account, role=role, by=_person(request))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        tell_roles(request, formset)

    def remove_factor(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take away the second factor of somebody with a lost or a new phone; asked once."""
        user: User = self.find_object(request, pk)
        title = f"Take away the second factor of {user}"
        if request.method != "POST":
            return self.show(
                request, "admin/_form_page.html", title=title, obj=user, form=forms.Form(), button="Take it away",
                button_class="btn-danger",
                intro="They sign in with their password alone until they set up a new one. Under a HIPAA agreement that is"
                " the first thing they are asked to do. Make sure that it is really them who asks.",
            )  # fmt: skip
        second_factor.remove(user, by=_person(request))
        end_sessions(user)
        messages.success(request, f"{user} has no second factor any more.")
        return HttpResponseRedirect(self.url_of(user))

    def set_password(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A new password for somebody who forgot theirs."""
        user: User = self.find_object(request, pk)
        form: _PasswordForm = SetPasswordForm(user, request.POST or None)
        if request.method == "POST" and form.is_valid():
            form.save()
            end_sessions(user, but=request.session.session_key)
            messages.success(request, f"{user} has a new password.")
            return HttpResponseRedirect(self.url_of(user))
        return self.show(
            request, "admin/auth/user/password.html", title=f"New password for {user}", obj=user, form=form
        )


def tell_roles(request: HttpRequest, formset: Any) -> None:
    """Tell the audit trail which roles a form gave and took; who lost one signs in anew."""
    if formset.model is not Membership:
        return
    by = _person(request)
    for row in formset.new_objects:
        leaving.give_role(row.user, account=row.account, role=row.role, by=by)
    for row in formset.deleted_objects:
        leaving.take_role(row.user, account=row.account, role=row.role, by=by, session_key=request.session.session_key)
    for row, changed in formset.changed_objects:
        if changed:
            form = next(form for form in formset.initial_forms if form.instance is row)
            leaving.take_role(
                row.user, account=row.account, role=form.initial["role"], by=by, session_key=request.session.session_key
            )
            leaving.give_role(row.user, account=row.account, role=row.role, by=by)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
