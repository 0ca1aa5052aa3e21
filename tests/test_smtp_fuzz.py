"""Servers that answer anything, stop anywhere and split everything: each mail still has one true outcome (SM-09)."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, cycle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.delivery import smtp_pool, smtp_relay
from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt, TransportError
from campaigns.delivery.smtp_envelope import Offers
from campaigns.delivery.smtp_relay import RelayConfig, SmtpRelayTransport, Tls
from campaigns.delivery.smtp_session import Session, Timeouts
from tests.smtp_server import Answer, Conversation, RawServer, polite

DATA = [
    b"Hello\r\n",
    b".\r\n..\r\n.x\r\n",
    b"a\r\n.\r\nMAIL FROM:<x@x>\r\n",
    b"x" * 3000 + b"\r\n",
    b"\r\n",
    b"..\r\n.\r\n\r\n",
]

HANG_UP, SILENCE = "hang up", "silence"
REPLIES = [
    b"250 2.0.0 Ok\r\n",
    b"250-Ok\r\n250-and\n250 more\r\n",
    b"251\r\n",
    b"354 Go on\r\n",
    b"421 4.3.2 Closing\r\n",
    b"450 4.2.1 Later\r\n",
    b"503 5.5.1 Bad sequence\r\n",
    b"550-5.1.1 No\r\n550 5.1.1 such\xff user\r\n",
    b"999 What\r\n",
    b"nonsense\n",
    b"250-half a reply\r\n",
    b"25",
]
MOVES = st.one_of(
    st.sampled_from([HANG_UP, SILENCE]),
    st.sampled_from(REPLIES),
    st.tuples(st.just(HANG_UP), st.sampled_from(REPLIES)),
)
# For each connection: which of the client's lines and mails is answered how, and what is said in the middle of a mail.
# All else is answered politely, so that the moves come at every depth.
SCRIPTS = st.lists(
    st.tuples(st.dictionaries(st.integers(0, 16), MOVES, max_size=3), st.one_of(st.none(), MOVES)),
    min_size=1,
    max_size=4,
)
Scripts = Sequence[tuple[Mapping[int, object], object]]


@dataclass
class Truth:
    """What the server did, seen from its side."""

    taken: set[int] = field(default_factory=set)  # it saw the final dot and said yes
    seen: set[int] = field(default_factory=set)  # it saw the final dot
    invited: set[int] = field(default_factory=set)  # it said yes to the recipient
    lied_about: set[int] = field(default_factory=set)  # it said yes before the final dot, which may cross ours
    conversations: list[Conversation] = field(default_factory=list)

    def note(self, peer: Conversation, verb: str, what: bytes, reply: bytes | None) -> None:
        is_yes = reply is not None and reply[:1] == b"2" and is_whole(reply)
        if verb == "RCPT" and is_yes:
            self.invited.add(id_in(what))
        if verb == "PART" and is_yes:
            self.lied_about.add(id_in(next(line for line in reversed(peer.said) if line.startswith(b"RCPT"))))
        if verb == "BODY" and what:
            self.seen.add(id_in(peer.bodies[-1][0]))
            self.taken.update({id_in(peer.bodies[-1][0])} if is_yes else ())


def play(scripts: Scripts, truth: Truth) -> Answer:
    """Answers by script.

    Who falls silent, or stops in the middle of a reply, stays silent: a server that leaves out one reply and goes on is
    one whose replies mean nothing.
    """
    counts: Counter[int] = Counter()
    silent: set[int] = set()

    def answer(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        if verb in {"CONNECT", "EHLO", "QUIT"}:
            return polite(peer, verb, what)
        moves, interruption = scripts[peer.number] if peer.number < len(scripts) else ({}, None)
        if verb == "PART":
            reply = perform(interruption, peer, verb, what)
        else:
            reply = perform(moves.get(counts[peer.number]), peer, verb, what)
            counts[peer.number] += 1
        reply = None if peer.number in silent else reply
        if (reply is None and verb != "PART") or (reply is not None and (not is_whole(reply) or verb == "PART")):
            silent.add(peer.number)
        truth.note(peer, verb, what, reply)
        return reply

    return answer


def perform(move: object, peer: Conversation, verb: str, what: bytes) -> bytes | None:
    if move is None:
        return polite(peer, verb, what)
    if move == SILENCE:
        return None
    if move == HANG_UP:
        return peer.hang_up()
    if isinstance(move, tuple):
        return peer.hang_up(move[1])
    assert isinstance(move, bytes)
    return move


def is_whole(reply: bytes) -> bool:
    return re.search(rb"(?m)^\d\d\d(?: .*)?\r?\n\Z", reply) is not None


def id_in(rcpt: bytes) -> int:
    return int(rcpt.partition(b"<r")[2].partition(b"@")[0])


def make_emails(bodies: Sequence[bytes]) -> list[OutgoingEmail]:
    return [
        OutgoingEmail(pk, uuid.UUID(int=pk), "b@b.example", f"r{pk}@r.example", data)
        for pk, data in enumerate(bodies, start=1)
    ]


def check(emails: Sequence[OutgoingEmail], receipts: Sequence[Receipt], told: Sequence[int], truth: Truth) -> None:
    """What the client says and what the server knows are one story."""
    outcomes = {receipt.id: receipt.outcome for receipt in receipts}
    assert len(outcomes) == len(receipts)
    assert max(Counter(told).values(), default=0) <= 1
    # Whoever was told of has a receipt; whatever arrived had been told of.
    assert set(told) <= set(outcomes)
    assert truth.seen <= set(told)
    for pk in truth.taken:
        assert outcomes[pk] in {Outcome.ACCEPTED, Outcome.UNKNOWN}
    assert {pk for pk, outcome in outcomes.items() if outcome is Outcome.ACCEPTED} <= truth.taken | truth.lied_about
    arrived: Counter[int] = Counter()
    for rcpt, data in chain.from_iterable(peer.bodies for peer in truth.conversations):
        if data:
            arrived[id_in(rcpt)] += 1
            assert data == emails[id_in(rcpt) - 1].data
        else:
            assert id_in(rcpt) not in truth.invited  # a lone dot reaches nobody
    assert max(arrived.values(), default=0) <= 1


@settings(max_examples=400)
@given(
    scripts=SCRIPTS,
    bodies=st.lists(st.sampled_from(DATA), min_size=1, max_size=6),
    pipelining=st.booleans(),
    sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=8),
    cuts=st.lists(st.integers(1, 60), max_size=4),
)
def test_one_session_after_the_other_tells_the_truth(
    scripts: Scripts, bodies: list[bytes], pipelining: bool, sizes: list[int], cuts: list[int]
) -> None:
    """SM-02, SM-06, SM-07, SM-09: every byte boundary, in no time; each connection is cut after some steps."""
    emails, truth = make_emails(bodies), Truth()
    waiting = list(emails)
    receipts: list[Receipt] = []
    told: list[int] = []
    answer, size = play(scripts, truth), cycle(sizes)
    while waiting:
        peer = Conversation(answer, number=len(truth.conversations))
        truth.conversations.append(peer)
        steps = cuts.pop() if cuts else 100_000
        untouched = talk(peer, waiting, pipelining, size=size, steps=steps, receipts=receipts, told=told)
        assert len(untouched) <= 2
        waiting[:0] = untouched
        assert len(truth.conversations) < 20
    assert sorted(receipt.id for receipt in receipts) == [email.id for email in emails]
    check(emails, receipts, told, truth)


def talk(
    peer: Conversation,
    waiting: list[OutgoingEmail],
    pipelining: bool,
    *,
    size: Iterator[int],
    steps: int,
    receipts: list[Receipt],
    told: list[int],
) -> list[OutgoingEmail]:
    """One connection, in pieces of the given sizes; the mails it hands back when it ends."""
    session = Session(Offers(pipelining=pipelining), timeouts=Timeouts(), now=0.0)
    heard = b""
    for _ in range(steps):
        while session.wants_mail:
            if not waiting:
                session.give_nothing()
                break
            assert session.give(waiting.pop(0)) is None
        if session.is_over or (session.is_idle and not waiting):
            break
        if session.leaving is not None:
            told.append(session.leaving)
            session.leaving = None
        part = bytes(session.outgoing[: next(size)])
        if part:
            session.sent(len(part), now=0.0)
            heard += b"".join(peer.hear(part))
        elif not heard:  # silence: the time limit
            break
        piece, heard = heard[: (cut := next(size))], heard[cut:]
        receipts += session.receive(piece, now=0.0)
        assert len(set(told) - {receipt.id for receipt in receipts}) <= 1
        if peer.is_over and not heard and not session.outgoing:
            break
    last, untouched = session.lose()
    receipts += last
    return untouched


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_relay, "_LOOK_AROUND", 0.02)
    monkeypatch.setattr(smtp_pool, "_BARREN_PAUSE", 0.0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    scripts=SCRIPTS,
    bodies=st.lists(st.sampled_from(DATA), min_size=1, max_size=12),
    offers=st.sampled_from([(), (b"PIPELINING",)]),
    split=st.sampled_from([1, 2, 7, 65536]),
    connections=st.integers(1, 4),
)
def test_the_relay_tells_the_truth(
    hasty: None,
    scripts: Scripts,
    bodies: list[bytes],
    offers: tuple[bytes, ...],
    split: int,
    connections: int,
) -> None:
    """SM-02, SM-06, SM-07, SM-09: over real connections, several at a time."""
    emails, truth = make_emails(bodies), Truth()
    receipts: list[Receipt] = []
    told: list[int] = []
    with RawServer(play(scripts, truth), *offers, split=split) as server:
        truth.conversations = server.conversations
        config = RelayConfig("127.0.0.1", server.port, Tls.NONE, timeout=0.2, connections=connections)
        relay = SmtpRelayTransport(config)
        gave_up = False
        try:
            receipts.extend(receipt for receipt in relay.send(emails, leaving=told.extend) if receipt is not None)
        except TransportError:
            gave_up = True
        finally:
            relay.close()
    assert gave_up or sorted(receipt.id for receipt in receipts) == [email.id for email in emails]
    check(emails, receipts, told, truth)
