"""Ready before the first caller comes."""

from __future__ import annotations

import gc

from django.urls import get_resolver


def warm_up() -> None:
    """Import every screen and operation now, and keep the garbage collector from walking over them ever again.

    For processes that serve for long: what was loaded is never garbage, and there is much of it (see gc.freeze).
    """
    _ = get_resolver().url_patterns
    gc.collect()
    gc.freeze()
