"""What the name of a browser gives away: the kind of device, and whether a person can be behind it (TR-01, TR-02)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import ua_parser

from campaigns.models import Device, System

LONGEST = 300  # of a name; what follows says nothing about devices

# Apple's proxies load every picture about the time of delivery, whoever reads.
_APPLE_PROXY = "Mozilla/5.0"
# Gmail fetches pictures of signed-in readers ahead of time under this name.
_GMAIL_AHEAD = re.compile(r"Chrome/42\.0\.2311\.135 .*Edge/12\.246 Mozilla/5\.0$").search
# They fetch when the mail is opened, and sometimes before: nobody can tell.
_PROXY = re.compile(r"GoogleImageProxy|ggpht\.com|YahooMailProxy", re.IGNORECASE).search
_ROBOT = re.compile(
    r"bot\b|bot/|crawl|spider|scan|preview|headless|phantom|python|curl|wget|\bjava\b|java/|go-http|libwww|httpclient|"
    r"okhttp|axios|node-fetch|scrapy|urllib|perl|ruby|monitor|proofpoint|mimecast|barracuda|symantec|messagelabs|"
    r"fireeye|trendmicro|trend micro|forcepoint|ironport|cloudmark|safelinks|urldefense|sophos|zscaler",
    re.IGNORECASE,
).search
_SYSTEMS = {
    "Windows": System.WINDOWS,
    "Mac OS X": System.MACOS,
    "iOS": System.IOS,
    "Android": System.ANDROID,
    "Linux": System.LINUX,
    "Ubuntu": System.LINUX,
    "Fedora": System.LINUX,
    "Debian": System.LINUX,
    "Chrome OS": System.LINUX,
}


@dataclass(frozen=True, slots=True)
class Agent:
    """`is_machine` None where nobody can tell; `code` says what gave it away."""

    device: Device
    system: System
    is_machine: bool | None
    code: str = ""


@lru_cache(maxsize=8192)
def read_agent(name: str) -> Agent:
    """The device behind a browser's name; names come again and again, and reading one takes a millisecond."""
    name = name[:LONGEST]
    if not name or name == _APPLE_PROXY or _GMAIL_AHEAD(name):
        return Agent(
            Device.OTHER, System.OTHER, is_machine=True, code="machine.prefetch" if name else "machine.nameless"
        )
    if _PROXY(name):
        return Agent(Device.OTHER, System.OTHER, is_machine=None, code="proxy")
    if _ROBOT(name):
        return Agent(Device.OTHER, System.OTHER, is_machine=True, code="machine.robot")
    return _parse(name)


def _parse(name: str) -> Agent:
    found = ua_parser.parse(name)
    system = _SYSTEMS.get(found.os.family, System.OTHER) if found.os else System.OTHER
    if found.device and found.device.family == "Spider":
        return Agent(Device.OTHER, system, is_machine=True, code="machine.robot")
    if not found.user_agent and not found.os:
        return Agent(Device.OTHER, system, is_machine=None, code="unknown")
    return Agent(_kind(name, system), system, is_machine=False)


def _kind(name: str, system: System) -> Device:
    if system == System.IOS:
        return Device.TABLET if "iPad" in name else Device.PHONE
    if system == System.ANDROID:
        # Android tablets leave out the word that phones have.
        return Device.PHONE if "Mobile" in name else Device.TABLET
    return Device.OTHER if system == System.OTHER else Device.DESKTOP
