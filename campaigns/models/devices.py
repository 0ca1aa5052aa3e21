"""Kinds of devices and systems: all that is kept of what a browser says about itself."""

from __future__ import annotations

from django.db import models


class Device(models.IntegerChoices):
    OTHER = 0, "Something else"
    DESKTOP = 1, "Computer"
    PHONE = 2, "Phone"
    TABLET = 3, "Tablet"


class System(models.IntegerChoices):
    OTHER = 0, "Something else"
    WINDOWS = 1, "Windows"
    MACOS = 2, "macOS"
    IOS = 3, "iOS"
    ANDROID = 4, "Android"
    LINUX = 5, "Linux"
