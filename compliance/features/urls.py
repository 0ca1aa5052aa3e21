"""Addresses outside of the admin's models, by the name of their pattern or, without one, by the pattern."""

from __future__ import annotations

TAGS: dict[str, str] = {
    "admin:index": "account.home",
    "admin:login": "account.home",
    "admin:logout": "account.home",
    "admin:password_change": "account.home",
    "admin:password_change_done": "account.home",
    "admin:autocomplete": "people.profiles",
    "admin:jsi18n": "account.home",
    "admin:view_on_site": "access.links",
    "admin:app_list": "account.home",
    "admin:(?P<url>.*)$": "account.home",
    "callbacks:callback": "delivery.reports",
    "callbacks:^": "delivery.reports",
    "web:home": "account.home",
    "web:unsubscribe": "delivery.suppression",
    "web:^u/(?P<token>.*)$": "delivery.suppression",
}
