"""How an organisation looks to its readers: a colour and a small picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse

from campaigns import filetypes
from campaigns.errors import CampaignError, NotFound
from campaigns.models import Account

MOST_BYTES = 100 * 1024
_PICTURES = {"image/png": "logo.png", "image/jpeg": "logo.jpg", "image/gif": "logo.gif"}
_DEFAULT = "#155e5a"
_COLOR = re.compile(r"#[0-9a-fA-F]{6}").fullmatch
# What text on a ground, or a button on a page, needs to be read by everybody (WCAG 2.2, 1.4.3).
_CONTRAST = 4.5
_WHITE, _BLACK = (255, 255, 255), (17, 20, 22)


@dataclass(frozen=True, slots=True)
class Brand:
    """The looks of one account; `logo` None when it has no picture."""

    color: str
    logo: bytes | None
    logo_type: str


@dataclass(frozen=True, slots=True)
class Accent:
    """A colour that can be read on the page, and the text on it."""

    ground: str
    text: str


def open_brand(public_id: UUID) -> Brand:
    """The looks of an account, for its readers; raises NotFound."""
    row = Account.objects.filter(public_id=public_id).values_list("brand_color", "logo", "logo_type").first()
    if row is None:
        raise NotFound("page")
    return Brand(row[0], bytes(row[1]) if row[1] else None, row[2])


def describe_brand(account: Account) -> dict[str, str]:
    """What a page for readers is made with: the name, and the addresses of picture and colours, '' without one."""
    return {
        "name": account.name,
        "logo": reverse("web:logo", args=[account.public_id]) if account.logo_type else "",
        # A stylesheet of its own: the policy of these pages allows no style in the page.
        "style": reverse("web:brand", args=[account.public_id]) if _COLOR(account.brand_color) else "",
    }


def check_logo(data: bytes) -> str:
    """The media type of a picture; raises CampaignError `account.logo-refused` for what is none, or too large."""
    if len(data) > MOST_BYTES:
        raise CampaignError("account.logo-refused", "The picture has more than 100 KB.", action="Choose a smaller one.")
    for kind, name in _PICTURES.items():
        if filetypes.detect_type(name, data) == kind:
            return kind
    raise CampaignError(
        "account.logo-refused", "This is not a PNG, JPEG or GIF picture.", action="Choose a PNG, JPEG or GIF file."
    )


def accent_of(color: str) -> tuple[Accent, Accent]:
    """The colour on light and on dark pages, moved towards black or white until it can be read."""
    rgb = _read(color) or _read(_DEFAULT)
    assert rgb is not None
    return _accent(rgb, page=_WHITE, towards=_BLACK), _accent(rgb, page=(26, 30, 33), towards=_WHITE)


def _accent(rgb: tuple[int, int, int], *, page: tuple[int, int, int], towards: tuple[int, int, int]) -> Accent:
    for step in range(21):
        mixed = tuple(round(a + (b - a) * step / 20) for a, b in zip(rgb, towards, strict=True))
        ground = (mixed[0], mixed[1], mixed[2])
        if _contrast(ground, page) >= _CONTRAST:
            break
    text = _WHITE if _contrast(_WHITE, ground) >= _contrast(_BLACK, ground) else _BLACK
    return Accent(_write(ground), _write(text))


def _read(color: str) -> tuple[int, int, int] | None:
    try:
        value = int(color.removeprefix("#"), 16)
    except ValueError:
        return None
    return (value >> 16, value >> 8 & 255, value & 255) if len(color) == 7 else None


def _write(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def _contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(rgb: tuple[int, int, int]) -> float:
    red, green, blue = ((v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4) for v in (c / 255 for c in rgb))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
