"""Mailbox providers nobody can send for: their DMARC policy makes receivers refuse such mail (MP-07, DM-03)."""

from __future__ import annotations

import re

from campaigns.errors import CampaignError

_NAMES = frozenset({
    "gmail.com", "googlemail.com", "aol.com", "aim.com", "icloud.com", "me.com", "mac.com", "msn.com", "live.com",
    "live.co.uk", "live.fr", "live.nl", "live.de", "live.it", "live.se", "live.dk", "live.no", "live.be", "live.ca",
    "live.com.au", "passport.com", "windowslive.com", "ymail.com", "rocketmail.com", "myyahoo.com", "proton.me",
    "protonmail.com", "protonmail.ch", "pm.me", "tutanota.com", "tutanota.de", "tuta.io", "tuta.com", "gmx.com",
    "gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.us", "gmx.co.uk", "gmx.fr", "gmx.es", "web.de", "freenet.de",
    "t-online.de", "mail.com", "email.com", "usa.com", "zoho.com", "zohomail.com", "zohomail.eu", "fastmail.com",
    "fastmail.fm", "hushmail.com", "inbox.lv", "inbox.lt", "mail.ee", "one.lt", "mail.ru", "bk.ru", "list.ru",
    "inbox.ru", "internet.ru", "xmail.ru", "yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "ya.ru", "rambler.ru",
    "ukr.net", "i.ua", "seznam.cz", "centrum.cz", "email.cz", "post.cz", "wp.pl", "o2.pl", "onet.pl", "interia.pl",
    "op.pl", "gazeta.pl", "libero.it", "virgilio.it", "tiscali.it", "alice.it", "tin.it", "orange.fr", "wanadoo.fr",
    "free.fr", "laposte.net", "sfr.fr", "neuf.fr", "bluewin.ch", "telenet.be", "skynet.be", "ziggo.nl", "kpnmail.nl",
    "btinternet.com", "sky.com", "talktalk.net", "virginmedia.com", "ntlworld.com", "comcast.net", "verizon.net",
    "att.net", "sbcglobal.net", "bellsouth.net", "cox.net", "charter.net", "earthlink.net", "juno.com", "optonline.net",
    "rogers.com", "shaw.ca", "sympatico.ca", "bigpond.com", "optusnet.com.au", "xtra.co.nz", "uol.com.br", "bol.com.br",
    "terra.com.br", "qq.com", "foxmail.com", "163.com", "126.com", "yeah.net", "sina.com", "sohu.com", "naver.com",
    "hanmail.net", "daum.net", "rediffmail.com", "docomo.ne.jp", "ezweb.ne.jp", "softbank.ne.jp", "duck.com", "hey.com",
})  # fmt: skip
# Brands with an address space in nearly every country.
_EVERYWHERE = re.compile(r"(?:yahoo|hotmail|outlook)\.(?:com|[a-z]{2}|com?\.[a-z]{2}|com\.[a-z]{2})").fullmatch


def refuse_freemail(domain: str) -> None:
    """Raises CampaignError `domain.freemail` when the A-label domain belongs to a mailbox provider."""
    if domain in _NAMES or _EVERYWHERE(domain):
        raise CampaignError(
            "domain.freemail",
            "This domain belongs to a mailbox provider: receivers refuse mail from it that others send.",
            action="Send from a domain of your own.",
        )
