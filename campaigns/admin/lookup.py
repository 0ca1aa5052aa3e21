"""Looking somebody up by the whole address: it is sent in a form, so that it stands in no web address."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest

from campaigns import addresses, tokens
from campaigns.admin.rights import accounts_of


class LookupForm(forms.Form):
    address = forms.CharField(
        max_length=254, widget=forms.EmailInput(attrs={"placeholder": "name@example.com", "autocomplete": "off"})
    )


def read_keys(request: HttpRequest) -> list[str]:
    """The keys of the address that was sent, one for each account of the person; raises AddressError."""
    address = addresses.parse(request.POST.get("address", ""))
    return [tokens.address_key(address, account=account.public_id) for account in accounts_of(request.user)]
