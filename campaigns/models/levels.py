"""How much opens and clicks say about a person."""

from __future__ import annotations

from django.db import models


class TrackingLevel(models.IntegerChoices):
    """In order: the lower of two is the one that protects a reader more."""

    OFF = 0, "Off"
    AGGREGATE = 1, "Counted without names"
    INDIVIDUAL = 2, "For each person"
