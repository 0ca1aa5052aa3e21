"""What every transport that takes content promises; a subclass gives the transport and what arrived at its other end."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pytest

from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt, SharedContent, Transport, TransportError

SHARED = SharedContent(
    from_name="The Editors",
    from_mailbox="news@shop.example",
    reply_to="",
    subject="{{subject}}",
    html="<p>Hello {{s0}} <a href='{{s1}}'>x</a></p>",
    text="Hello {{s0}} {{s1}}\n",
    headers=(("Feedback-ID", "a:b:c:sealpost"),),
)
UNSUBSCRIBE = (
    ("List-Unsubscribe", "<https://mail.example.com/u/abc>"),
    ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
)


def make_content_email(pk: int, to: str = "reader@example.org", *, name: str = "Ada") -> OutgoingEmail:
    return OutgoingEmail(
        id=pk,
        public_id=uuid.uuid4(),
        mail_from="news@shop.example",
        rcpt_to=to,
        data=b"",
        shared=SHARED,
        values={"subject": f"News for {name}", "s0": name, "s1": "https://mail.example.com/u/abc"},
        headers=UNSUBSCRIBE,
    )


def send_until_error(
    transport: Transport, mails: Iterable[OutgoingEmail]
) -> tuple[list[Receipt | None], TransportError | None]:
    """What was yielded, and the error that ended it."""
    receipts: list[Receipt | None] = []
    try:
        for receipt in transport.send(mails):
            receipts.append(receipt)  # noqa: PERF402 (the error may come after them)
    except TransportError as error:
        return receipts, error
    finally:
        transport.close()
    return receipts, None


class ContentContract:
    """The same cases for each provider. Its scripted other end knows the local parts bounce, defer and lost."""

    transport: Transport

    def arrived(self) -> Sequence[tuple[str, str, str, str]]:
        """(recipient, subject, html, text) of each mail the provider took."""
        raise NotImplementedError

    def refuse_the_key(self) -> None:
        raise NotImplementedError

    def test_every_mail_gets_exactly_one_receipt_with_its_id(self) -> None:
        receipts = [r for r in self.transport.send(make_content_email(pk) for pk in range(1, 61)) if r is not None]
        assert sorted(receipt.id for receipt in receipts) == list(range(1, 61))
        assert {receipt.outcome for receipt in receipts} == {Outcome.ACCEPTED}

    def test_an_accepted_mail_has_arrived_as_it_was(self) -> None:
        (receipt,) = self.transport.send([make_content_email(1, name="O'Brien & Söhne")])
        assert receipt is not None
        assert (receipt.outcome, receipt.code) == (Outcome.ACCEPTED, "")
        url = "https://mail.example.com/u/abc"
        assert self.arrived() == [
            (
                "reader@example.org",
                "News for O'Brien & Söhne",
                f"<p>Hello O'Brien & Söhne <a href='{url}'>x</a></p>",
                f"Hello O'Brien & Söhne {url}\n",
            )
        ]

    def test_a_refused_mail_is_rejected_and_the_others_go(self) -> None:
        mails = [make_content_email(1), make_content_email(2, "bounce@example.org"), make_content_email(3)]
        outcomes = {r.id: r.outcome for r in self.transport.send(mails) if r is not None}
        assert outcomes == {1: Outcome.ACCEPTED, 2: Outcome.REJECTED, 3: Outcome.ACCEPTED}

    def test_a_mail_to_be_tried_later_is_deferred(self) -> None:
        (receipt,) = self.transport.send([make_content_email(1, "defer@example.org")])
        assert receipt is not None
        assert receipt.outcome is Outcome.DEFERRED

    def test_a_lost_answer_is_unknown_never_accepted(self) -> None:
        """SM-06."""
        receipts = [r for r in self.transport.send([make_content_email(1, "lost@example.org")]) if r is not None]
        assert [receipt.outcome for receipt in receipts] == [Outcome.UNKNOWN]
        assert receipts[0].code.endswith(".outcome-unknown")

    def test_a_refused_key_needs_a_person_and_nobody_was_written_to(self) -> None:
        self.refuse_the_key()
        receipts, error = send_until_error(self.transport, [make_content_email(1)])
        assert error is not None
        assert (error.code, error.permanent) == ("transport.login-refused", True)
        assert [r.outcome for r in receipts if r is not None] == [Outcome.DEFERRED]
        assert self.arrived() == []

    def test_the_journal_hears_of_a_mail_before_it_leaves(self) -> None:
        told: list[int] = []
        seen_early: list[bool] = []

        def leaving(ids: Sequence[int]) -> None:
            seen_early.append(bool(self.arrived()) and len(told) < len(self.arrived()))
            told.extend(ids)

        list(self.transport.send((make_content_email(pk) for pk in range(1, 11)), leaving=leaving))
        assert sorted(told) == list(range(1, 11))
        assert not any(seen_early)

    def test_nothing_is_pulled_that_gets_no_receipt(self) -> None:
        pulled: list[int] = []

        def source() -> Iterator[OutgoingEmail]:
            for pk in range(1, 8):
                pulled.append(pk)
                yield make_content_email(pk)

        assert sorted(r.id for r in self.transport.send(source()) if r is not None) == pulled

    def test_a_receipt_and_an_error_name_nobody(self) -> None:
        mails = [make_content_email(pk, f"{local}@example.org") for pk, local in enumerate(("bounce", "defer"), 1)]
        for receipt in self.transport.send(mails):
            assert "example" not in repr(receipt)
            assert receipt is None or len(receipt.code) <= 55

    def test_giving_up_takes_no_time(self) -> None:
        receipts = self.transport.send(make_content_email(pk, "slow@example.org") for pk in range(1, 500))
        began = time.monotonic()
        next(iter(receipts))
        receipts.close()  # type: ignore[attr-defined]
        assert time.monotonic() - began < 15

    def test_no_thread_outlives_its_last_answer(self) -> None:
        before = set(threading.enumerate())
        receipts = self.transport.send(make_content_email(pk, "slow@example.org") for pk in range(1, 20))
        next(iter(receipts))
        receipts.close()  # type: ignore[attr-defined]
        deadline = time.monotonic() + 60

        def alive() -> list[str]:
            return [thread.name for thread in set(threading.enumerate()) - before if thread.name == "delivery"]

        while alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert alive() == []

    def test_closing_twice_is_fine_and_it_can_be_used_again(self) -> None:
        list(self.transport.send([make_content_email(1)]))
        self.transport.close()
        self.transport.close()
        assert len(list(self.transport.send([make_content_email(2)]))) == 1

    def test_a_mail_made_for_another_sort_of_transport_is_not_sent(self) -> None:
        with pytest.raises(ValueError, match="takes content"):
            list(self.transport.send([replace(make_content_email(1), shared=None, data=b"x")]))
        assert self.arrived() == []
