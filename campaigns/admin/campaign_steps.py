"""The steps of a campaign that ask for a confirmation: what they say, and whom they concern."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from campaigns.admin.campaign_pace import initial_pace
from campaigns.admin.campaign_tracking import initial_tracking
from campaigns.admin.campaign_words import people
from campaigns.models import Campaign, CampaignState
from campaigns.outbox import control
from campaigns.outbox.reports import campaign_report
from campaigns.planning import sending
from campaigns.planning.audience import count_audience

_RUNNING = frozenset({CampaignState.SENDING, CampaignState.PAUSED})
_READY = frozenset({CampaignState.DRAFT, CampaignState.SCHEDULED})


@dataclass(frozen=True, slots=True)
class Step:
    """One action on a campaign; `text` and `button` carry {people}, `done` is said afterwards.

    One that `starts` concerns the audience, one that `decides` the people whose mail may or may not have left.
    """

    name: str
    states: frozenset[CampaignState]
    run: Callable[..., object]
    title: str
    text: str
    button: str
    done: str
    starts: bool = False
    decides: bool = False
    is_danger: bool = False


SEND = Step(
    "send",
    _READY,
    sending.send_now,
    "Send now?",
    "The mails start to leave at once. You can pause or cancel, but what has left cannot be called back.",
    "Send to {people}",
    "The campaign is on its way to {people}.",
    starts=True,
)
SCHEDULE = Step(
    "schedule",
    _READY,
    sending.schedule,
    "Send at this time?",
    "The list of people is made at that time: who joins or leaves until then is taken into account.",
    "Schedule for {people}",
    "The campaign is scheduled.",
    starts=True,
)
STEPS = {
    step.name: step
    for step in (
        SEND,
        Step(
            "unschedule",
            frozenset({CampaignState.SCHEDULED}),
            sending.unschedule,
            "Make it a draft again?",
            "Nothing is sent until you schedule or send it. {people} wait for this mail.",
            "Back to draft",
            "The campaign is a draft again.",
        ),
        Step(
            "pause",
            frozenset({CampaignState.SENDING}),
            sending.pause,
            "Pause sending?",
            "{people} still wait for this mail. They get it when you resume.",
            "Pause for {people}",
            "Sending is paused.",
        ),
        Step(
            "resume",
            frozenset({CampaignState.PAUSED}),
            sending.resume,
            "Resume sending?",
            "{people} still wait for this mail. Who unsubscribed meanwhile does not get it.",
            "Send to {people}",
            "Sending goes on.",
        ),
        Step(
            "cancel",
            frozenset({CampaignState.SCHEDULED, CampaignState.SENDING, CampaignState.PAUSED}),
            sending.cancel,
            "Cancel this campaign?",
            "{people} will not get this mail. What has left stays sent, and a cancelled campaign cannot be taken up again.",
            "Cancel for {people}",
            "The campaign is cancelled.",
            is_danger=True,
        ),
        Step(
            "repeat",
            _RUNNING,
            sending.release_held,
            "Send it again?",
            "{people} may or may not have this mail. Whoever has it already may get it twice.",
            "Send again to {people}",
            "The mail goes out again.",
            decides=True,
        ),
        Step(
            "leave",
            _RUNNING,
            sending.give_up_held,
            "Leave it as it is?",
            "{people} may or may not have this mail. It is not sent to them again.",
            "Do not repeat it for {people}",
            "It stays as it is.",
            decides=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Stake:
    """Whom a step concerns now; `seen` changes when anything does that a person confirming it relies on."""

    count: int
    seen: str

    @property
    def people(self) -> str:
        return people(self.count)


def weigh_step(step: Step, *, campaign: Campaign) -> Stake:
    """Count the people of a step: the audience before sending, those who still wait afterwards."""
    if step.starts or campaign.state == CampaignState.SCHEDULED:
        count = count_audience(campaign).recipients
    elif step.decides:
        count = count_undecided(campaign)
    else:
        count = campaign_report(campaign).waiting
    # Numbers of a running campaign move all the time; only what starts must be what was read.
    return Stake(count, _digest(campaign, count) if step.starts else "")


def count_undecided(campaign: Campaign) -> int:
    """For how many people somebody must decide whether their mail is sent again."""
    return control.count_held(list(campaign.submissions.values_list("pk", flat=True)))


def _digest(campaign: Campaign, count: int) -> str:
    parts: list[Any] = [
        *initial_pace(campaign).items(),
        *initial_tracking(campaign).items(),
        campaign.name,
        campaign.purpose,
        campaign.content_id,
        campaign.sender_id,
        campaign.transport_id,
        sorted(campaign.lists.values_list("pk", flat=True)),
        sorted(campaign.excluded_lists.values_list("pk", flat=True)),
        count,
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
