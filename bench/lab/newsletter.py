"""The newsletter all benches send: 10 KB of HTML, eight placeholders, fifteen links, each with the reader's own token.

The token makes each link fill a slot in every mail, as it does in newsletters that know their readers' numbers.
"""

from __future__ import annotations

import random

PLACEHOLDERS = ("first_name", "last_name", "company", "city", "plan", "points", "coupon", "member")
LINKS = 15
SUBJECT = "Spring news for {{ first_name }}"
_SIZE = 10 * 1024
_PROSE = (
    "the quick brown fox jumps over a lazy dog while our spring collection arrives with new colours and fabrics made in"
    " small workshops across europe by people who care about details quality and fair pay read more about how we choose"
)
_WORDS = _PROSE.split()


def values(number: int) -> dict[str, str]:
    """The values of one made-up reader."""
    return {
        "first_name": f"Ann{number % 997}",
        "last_name": f"O'Neil-{number % 991}",
        "company": "Smith & Sons",
        "city": "Zürich" if number % 3 == 0 else "Paris",
        "plan": ("pro", "free", "patron")[number % 3],
        "points": str(number % 5000),
        "coupon": f"SPRING{number % 10000:05d}",
        "member": f"{number:024x}",
    }


def email(number: int) -> str:
    return f"user{number}@example{number % 50}.net"


def html(*, token: str = "?m={{ member }}") -> str:
    """The HTML with what every link ends with; '' leaves the links to whoever rewrites them."""
    chance = random.Random(7)
    links = [_link(number, chance) + token for number in range(LINKS)]
    fixed = len(_page(links, ["" for _ in links]))
    words = max(5, (_SIZE - fixed) // (LINKS * 6))
    return _page(links, [_paragraph(words, chance) for _ in links])


def text() -> str:
    """The text part, written by hand as most newsletters have it: short."""
    return (
        "Hello {{ first_name }} {{ last_name }},\n\nyour plan {{ plan }} has {{ points }} points, code {{ coupon }}.\n\n"
        f"{_paragraph(60, random.Random(8))}\n\nUnsubscribe: {{{{ unsubscribe_url }}}}\n{{{{ postal_address }}}}\n"
    )


def _page(links: list[str], texts: list[str]) -> str:
    blocks = [
        '<tr><td style="padding:12px 24px"><h2 style="font-size:17px;line-height:22px">New this week</h2>'
        f'<p style="line-height:20px">{text}</p><a href="{link}" style="color:#1155cc">Read more</a></td></tr>\n'
        for link, text in zip(links, texts, strict=True)
    ]
    return f"{_HEAD}{''.join(blocks)}{_FOOT}"


_HEAD = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Spring news</title></head>'
    '<body style="margin:0;padding:0;background-color:#f4f4f4"><table role="presentation" width="100%"><tr>'
    '<td align="center"><table role="presentation" width="600" style="background:#ffffff;font-family:Arial;'
    'font-size:14px;color:#333333"><tr><td style="padding:24px">'
    '<h1 style="font-size:22px">Hello {{ first_name }} {{ last_name }},</h1>'
    "<p>Your plan <b>{{ plan }}</b> has {{ points }} points. Greetings to {{ city }} – use code <b>{{ coupon }}</b>"
    " for {{ company }}.</p><p>Your number: {{ member }} (café Zürich)</p></td></tr>\n"
)
_FOOT = (
    '<tr><td style="padding:24px;font-size:12px"><a href="{{ unsubscribe_url }}">Unsubscribe</a>'
    " {{ postal_address }}</td></tr></table></td></tr></table></body></html>\n"
)


def _link(number: int, chance: random.Random) -> str:
    return f"https://shop.example.com/products/{chance.choice(_WORDS)}-{chance.choice(_WORDS)}/{number}"


def _paragraph(words: int, chance: random.Random) -> str:
    return " ".join(chance.choice(_WORDS) for _ in range(words)).capitalize() + "."
