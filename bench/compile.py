#!/usr/bin/env python
"""Mails made per second by a compiled version, against Django's way of making the same mail, in one run.

Run with `python bench/compile.py [mails]`. The last line is the figure and the ratio.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.mail import EmailMultiAlternatives  # noqa: E402
from django.template import Context, Template  # noqa: E402

from campaigns import tokens  # noqa: E402
from campaigns.content.compile import CompiledVersion  # noqa: E402
from campaigns.content.mime import MailFrame, MailRecipient  # noqa: E402
from campaigns.content.starters import starter_drafts  # noqa: E402
from campaigns.content.tracked import LinkPlan, Tracked  # noqa: E402

ROUNDS = 5
NOW = datetime.now(UTC)
ADDRESS = "Harbour Books, 12 Quay Street, Klaipėda 91234, Lithuania"
FRAME = MailFrame(
    "Harbour Books", "hello@news.example.com", list_id="readers.news.example.com", feedback_id="a:b:c:sealpost",
    is_bulk=True, account_name="Harbour Books", postal_address=ADDRESS,
)  # fmt: skip
PLAN = LinkPlan("https://click.news.example.com", lambda links: range(1, len(links) + 1), pixel="top")


def make_recipient(number: int) -> MailRecipient:
    return MailRecipient(
        f"user{number}@example{number % 50}.net",
        {
            "first_name": f"Ann{number % 997}",
            "company": "Smith & Sons",
            "country": "Österreich" if number % 3 == 0 else "Lithuania",
            "plan": ("pro", "free", "standard")[number % 3],
            "signed_up": "2019-05-29",
            "tags": "events|poetry",
        },
        f"{number:032x}@news.example.com",
        f"https://news.example.com/u/{number:076x}",
    )


def _track(recipient: MailRecipient) -> Tracked:
    message = UUID(recipient.message_id.partition("@")[0])
    return Tracked(PLAN, tokens.visit_token(tokens.VisitClaim(1, message)))


def make_django_way(compiled: CompiledVersion) -> Callable[[MailRecipient], bytes]:
    """The same HTML and text as Django templates, filled and serialised per mail."""
    names = ("first_name", "company", "country", "plan", "signed_up", "email", "unsubscribe_url")
    marks = {name: f"zq{name}zq" for name in names}
    shown = compiled.preview({**marks, "unsubscribe_url": "https://zqunsubscribe_url.example"})
    html, text = (_as_django(part, marks) for part in (shown.html, shown.text))

    def make(recipient: MailRecipient) -> bytes:
        context = Context(
            {**recipient.values, "email": recipient.mailbox, "unsubscribe_url": recipient.unsubscribe_url}
        )
        mail = EmailMultiAlternatives(
            "New on the shelves at Harbour Books",
            text.render(context),
            "Harbour Books <hello@news.example.com>",
            [recipient.mailbox],
            headers={
                "List-Unsubscribe": f"<{recipient.unsubscribe_url}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Message-ID": f"<{recipient.message_id}>",
            },
        )
        mail.attach_alternative(html.render(context), "text/html")
        return mail.message().as_bytes()

    return make


def _as_django(text: str, marks: dict[str, str]) -> Template:
    text = text.replace("https://zqunsubscribe_url.example", "{{ unsubscribe_url }}")
    for name, mark in marks.items():
        text = text.replace(mark, "{{ " + name + " }}")
    return Template(text)


def measure(make: Callable[[MailRecipient], bytes], recipients: list[MailRecipient]) -> float:
    """Microseconds a mail."""
    start = time.perf_counter()
    for recipient in recipients:
        make(recipient)
    return (time.perf_counter() - start) / len(recipients) * 1e6


def main() -> None:
    recipients = [make_recipient(number) for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)]
    compiled, logic = (CompiledVersion(s.draft, digest=s.draft.digest()) for s in starter_drafts()[:2])
    makers: dict[str, Callable[[MailRecipient], bytes]] = {
        "compiled newsletter": lambda recipient: compiled.mail(FRAME, recipient, date=NOW),
        "tracked newsletter": lambda recipient: compiled.mail(FRAME, recipient, date=NOW, tracked=_track(recipient)),
        "starter with logic": lambda recipient: logic.mail(FRAME, recipient, date=NOW),
        "Django's way": make_django_way(compiled),
    }
    # Rounds take turns, so a busy moment of the machine hits all of them.
    taken = {name: [0.0] * ROUNDS for name in makers}
    for number in range(ROUNDS):
        for name, make in makers.items():
            share = recipients if name != "Django's way" else recipients[: max(200, len(recipients) // 10)]
            taken[name][number] = measure(make, share)
    for name, times in taken.items():
        size = len(makers[name](recipients[0]))
        print(f"{name:22} {statistics.median(times):8.1f} µs/mail (best {min(times):.1f}), {size} bytes")
    ours, peer = statistics.median(taken["compiled newsletter"]), statistics.median(taken["Django's way"])
    print(f"COMPILE mails_per_second={1e6 / ours:.0f} ratio_to_django={peer / ours:.1f}")


if __name__ == "__main__":
    main()
