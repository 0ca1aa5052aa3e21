"""Refusals that are about this mail: what is in it, how large it is, how it is written."""

from __future__ import annotations

from campaigns.replies.meaning import Reason
from campaigns.replies.rule import Rule

CERTAIN: tuple[Rule, ...] = (
    Rule(
        Reason.VIRUS,
        r"\bvirus|malware|infected|trojan|phish(?:ing)? (?:url|link|attack|mail|message)|\bworm\b|ransomware|clamav|malicious",
        "554 5.7.1 The message contains a virus (Eicar-Test-Signature)",
    ),
    Rule(
        Reason.SPAM,
        r"(?:looks?|seems?|appears?) (?:like|to be|as) (?:\S+ )?(?:spam|uce|ube|junk|bulk)|(?:detected|classified|identified|considered|marked|flagged|tagged|recognized|rejected|blocked|treated|determined|refused|suspected)(?: \S+){0,3} (?:as|to be|due to|because of|for|of) (?:\S+ )?(?:\S+ )?(?:spam|uce|ube|junk|unsolicited)|spam (?:detected|message|mail|content|filter|score|rejected|found|classification|is |not |status|check|refused|test|like|suspected|source|points|level|block)"
        r"|(?:no|anti|is|high|probable|possible|suspected|reject\w*|this|block\w*|your) ?-?spam\b|\bspam ?assassin|\brspamd|\bube\b|\buce\b|unsolicited|spamming|bulk (?:mail|email)|not rfc 2822 compliant.{0,10}spam|cloudmark|\bbogofilter|blacklisted url|uribl|surbl|dbl\.|content (?:rejected|filter|denied|analysis|is not accepted)|message content (?:rejected|is|was)|likely (?:unsolicited|suspicious)|bayes|prohibited (?:url|link)|listed in .{0,30}url|mail ?content (?:denied|rejected)|spammy|spambot|dspam|message (?:was )?scored",
        "550 5.7.1 This message was classified as SPAM and may not be delivered",
    ),
    Rule(
        Reason.TOO_LARGE,
        r"(?:message|mail|e-mail|email|data|file|attachment|header)s?(?:'s)? (?:file )?(?:size|length) (?:exceed|is too|too|limit|larger|of|restriction)|(?:message|mail|e-mail|email|attachments?|body|item|data)(?: is| was|'s| file size)? (?:are )?too (?:big|large|long)|exceed\w* (?:the |a |its |our |their )?(?:fixed |allowed |administrative |configured )?(?:max(?:imum)? )?(?:message|mail|e-mail|email|content|attachment|data|server)?[- ]?(?:file )?size|size (?:exceeds|limit|larger)|max(?:imum)? (?:allowed )?(?:message|mail|email|attachment)? ?size|too large to|larger than (?:the|our|max)|content-length .{0,20}too|recipsizelimit|sendsizelimit|message is larger|too (?:big|large) for",
        "552 5.3.4 Message size exceeds fixed maximum message size (10240000)",
    ),
)

WEAK: tuple[Rule, ...] = (
    Rule(
        Reason.NOT_STANDARD,
        r"(?:not|isn't|non|in)[- ]?(?:rfc ?)?compli|rfc ?-?\d{3,4} .{0,40}(?:complian|violat|require)|violat\w* .{0,20}rfc|multiple addresses in from|(?:multiple|several|duplicate|more than one|missing|no|without|invalid|malformed|illegal|bad|improper)(?: required)? (?:'?(?:from|date|message-id|subject|to|sender|received|reply-to|mime)'?:?)[- ]?(?:address(?:es)?)?[- ]?(?:header|field|in|line)|header (?:is )?(?:missing|malformed|not|syntax)|bare (?:lf|cr|line ?feeds?)|stray (?:lf|newline|line ?feed)|line (?:is )?too long|too long (?:a )?line|invalid (?:subject |from |date )?header|malformed (?:message|mime|header)|\bmessages? (?:is |are )?missing (?:a )?(?:valid )?(?:message|address|from|date|header)|from: header .{0,30}not accepted|not (?:in )?(?:accordance|comply|conform)",
        "550 5.7.1 Messages missing a valid address in From: header, or having no From: header, are not accepted",
    ),
    Rule(
        Reason.POLICY,
        r"polic(?:y|ies)|violation|(?:administrative|administrator|admin|administratively) (?:prohibit|den|block|reject|reason)|prohibited|potential (?:security|risk|threat)|content presents|(?:attachment|file|extension|type)s? .{0,30}(?:not (?:allowed|accepted|permitted)|prohibited|blocked|forbidden|denied|banned|disallowed)|banned (?:content|file|attachment|extension)|unacceptable (?:mail|content|attachment|message)|header error|mail (?:is )?not accepted|message (?:was |is |has been )?(?:blocked|not accepted|quarantin)|restricted (?:attach|content)|disallowed|we (?:do not|don't) accept mail|refused by .{0,20}rule|greylist.{0,40}(?:expired|policy)|loop(?:ing)? protection|challenge|confirm(?:ation)? required",
        "554 5.7.9 Message not accepted for policy reasons",
    ),
    Rule(
        Reason.SECURITY,
        r"(?:smtp )?auth(?:entication|orization)? (?:is )?(?:required|failed|needed|must)|must (?:first )?(?:authenticate|log ?in|issue a starttls|use (?:tls|ssl)|check for new mail)|auth(?:entication)? (?:credentials|mechanism)|not (?:authenticated|authorized|authorised)|unauthenticated senders?|unauthorized|authrequired|turn on smtp auth|access denied|permission denied|denied access|insufficient (?:privilege|permission)|not permitted|you (?:must|need to) (?:be )?(?:authenticate|log)|login (?:required|first)|security (?:reason|error|check|policy|restriction)|pop before smtp|\bforbidden\b|invalid login|user not authori[sz]ed|verify (?:the )?identity",
        "550 5.7.1 RESOLVER.RST.AuthRequired; authentication required",
    ),
    Rule(
        Reason.BAD_CONTENT,
        r"headers? (?:is |are )?too (?:large|long|big|many)|too many (?:hops|received|mime|parts|nested|headers|attachments)(?! count)|(?:invalid|bad|unsupported|illegal|corrupt\w*|broken|unknown) (?:mime|charset|character set|encoding|content|attachment|body|message format|conversion)|8-?bit .{0,40}(?:not|without|header)|mime (?:error|header|parser)|conversion (?:is )?(?:required|not|failed)|message (?:format|could not be converted|cannot be converted|filtered)|contents? (?:is |are )?(?:not supported|invalid|corrupt)|improper use of 8-bit|non-?ascii|smtputf8 .{0,40}(?:not|required)|internationali[sz]ed .{0,40}not",
        "552 5.6.0 Headers too large (32768 max)",
    ),
    Rule(
        Reason.SYNTAX,
        r"syntax error|command (?:not (?:recogni[sz]ed|implemented|understood)|parameter not|unrecogni[sz]ed|unknown|out of)|parameters? (?:not (?:implemented|recogni[sz]ed)|error)|unrecogni[sz]ed (?:command|parameter)|bad sequence|unknown command|malformed address|not implemented|invalid (?:command|argument|parameter)|protocol error|improper command|(?:unexpected|wrong) (?:command|response)|need mail (?:from )?(?:command|before)|pipelining|too long (?:command|line)|syntactically",
        "504 5.5.4 Command parameter not implemented",
    ),
)
