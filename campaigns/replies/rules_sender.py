"""Refusals that are about us: our name, our set-up, our pace (MP-08)."""

from __future__ import annotations

from campaigns.replies.meaning import Reason
from campaigns.replies.rule import Rule

RULES: tuple[Rule, ...] = (
    # --- SPF, DKIM, DMARC ---
    Rule(
        Reason.AUTHENTICATION,
        r"\bdmarc\b|\bdkim\b.{0,80}(?:fail|invalid|missing|not pass|did not|reject|required|unsigned)"
        r"|\b(?:fail\w*|invalid|missing|no|bad|without).{0,40}\bdkim\b",
        "550 5.7.1 Email rejected per DMARC policy for example.org",
    ),
    Rule(
        Reason.AUTHENTICATION,
        r"\bspf\b.{0,100}(?:fail|invalid|reject|not pass|did not|not permitted|not authorized|forbid|-all|den(?:y|ied)|policy|softfail|see http)"
        r"|(?:fail\w*|invalid|missing|bad|no|valid|violat\w+|require\w*|reject\w*|mandatory).{0,50}\bspf\b|openspf\.|spf\.pobox\.",
        "550 5.7.23 The message was rejected because of Sender Policy Framework violation: SPF check failed",
    ),
    Rule(
        Reason.AUTHENTICATION,
        r"sender policy framework|sender ?id .{0,30}fail|unauthenticated (?:e?-?mail|messages?|senders?) (?:from|is|are)(?! not allowed)"
        r"|authentication checks? failed|(?:required|meet the) authentication (?:level|requirements)"
        r"|sender (?:is )?(?:un|not )authenticated|authentication results? .{0,40}fail|fails? (?:to pass )?authentication checks",
        "550 5.7.26 This mail is unauthenticated: multiple authentication checks failed",
    ),
    Rule(
        Reason.AUTHENTICATION,
        r"not (?:authorized|allowed|permitted|designated)(?: by the domain owner)? to (?:send|use) (?:e?-?mails?|messages?|mails?)? ?(?:from|for|on behalf of|as) (?:the |this |your )?(?:domain|address|@)",
        "550 5.7.1 The host 192.0.2.1 is not authorized to send mail from domain example.org",
    ),
    # --- Reverse DNS ---
    Rule(
        Reason.NO_PTR,
        r"\bptr\b(?! ?=)|\br(?:everse|ev)[- ]?(?:ip )?dns\b|\brdns\b|reverse (?:name |host ?name |address )?(?:look|mapping|resolution|entry|record)",
        "550 5.7.25 The IP address sending this message does not have a PTR record",
    ),
    Rule(
        Reason.NO_PTR,
        r"(?:cannot|can't|could not|couldn't|unable to|can not|fail(?:ed|s)? to|does not|doesn't|not) (?:find|resolve|lookup|look up|match) (?:your |the |client )?(?:host ?name|reverse|ip)"
        r"|client host rejected: cannot find|fcrdns|unverif\w+ sending ip|mismatch\w* (?:the )?client ip|host ?name .{0,60}(?:does not|doesn't) match .{0,20}\bip\b"
        r"|generic (?:reverse|hostname|host name)|forward[- ]confirmed|dynamic or generic|(?:no|without|invalid|missing) (?:valid )?(?:in-addr|dns) (?:record|name|entry) for (?:your )?(?:ip|client|host|server)",
        "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]",
    ),
    # --- Relaying ---
    Rule(
        Reason.NO_RELAY,
        r"relay(?:ing)?(?: access| is| operation)?(?: to \S+)? ?(?:denied|not (?:allowed|permitted)|prohibited|rejected|forbidden|refused)|\bno relay|not (?:a|an)? ?(?:open )?relay\b"
        r"|(?:unable|refus\w+|not \w+|won't|cannot|do not|does not|denied|not configured) to relay|(?:do|does|will) not relay|not (?:a )?permitted to relay"
        r"|that domain isn't in my list of allowed rcpthosts|not in my list of allowed|relaying mail to|we do not relay|(?:doesn't|does not|not) (?:currently )?(?:handle|accept|receive|host|serve) (?:mail|email|e-mail)s? for (?:that|this|your) domain"
        r"|insecure mail relay|mail server requires authentication when attempting to send to a non-local",
        "554 5.7.1 <ann@example.com>: Relay access denied",
    ),
    # --- A sender nobody knows ---
    Rule(
        Reason.SENDER_REFUSED,
        r"(?:domain|host) of (?:the )?sender|sender(?:'s)? (?:e-?mail )?(?:address|domain)?(?: @)?:? ?(?:address )?(?:domain )?(?:@ )?(?:is |was )?(?:rejected|refused|denied|invalid|unknown|blacklisted|blocked|not (?:found|valid|allowed|accepted)|does(?: not|n't) exist|(?:could not|couldn't|cannot) be (?:verified|found|resolved)|must (?:exist|resolve|have))"
        r"|(?:unresolvable|invalid|unknown|bad|unverifiable|non-existent|fake|unroutable) (?:return|sender|envelope sender|mail from|from)(?: |-)?(?:address|domain)?\b"
        r"|(?:mail|from|sender) (?:from )?(?:address )?@ .{0,20}(?:rejected|refused|not allowed|denied)(?! for (?:policy|spam))|sender verif(?:y|ication)|callback|could not verify sender"
        r"|you are not allowed to (?:send|post|mail)|not (?:a |an )?(?:members?|subscribers?|allowed to post|permitted to post|authorized to post)|only .{0,30}(?:members|subscribers) .{0,20}post"
        r"|sending to/from an address that has been|in (?:my|our) badmailfrom|badmailfrom|envelope sender .{0,40}(?:badmail|reject|denied)|mail from .{0,5}(?:invalid|rejected|not allowed)",
        "553 5.1.8 <ann@example.org>... Domain of sender address ann@example.org does not exist",
    ),
    Rule(
        Reason.SENDER_REFUSED,
        r"the group you tried to contact|group .{0,80}permission to post|permission to (?:post|send)|do(?:es)? not have permission|sender not authenticated for group|isn't allowed to (?:send|post)"
        r"|restricted (?:to|from) (?:sending|authenticated|certain)|resolver\.rst\.(?:notauthorized|restricted)|delivery not authorized|not accepting (?:mail|messages) from (?:you|this sender|this address)"
        r"|only accepts? (?:mail|email|messages) from|(?:recipient|user|mailbox) (?:does not|doesn't|will not|won't|has chosen not to) accept (?:your |any )?(?:mail|email|e-mail|messages?) from",
        "550 5.7.1 RESOLVER.RST.NotAuthorized; not authorized",
    ),
    # --- Too fast ---
    Rule(
        Reason.TOO_FAST,
        r"too many (?:concurrent |simultaneous |open |smtp )?(?:connections?|sessions?|channels?)|(?:connection|message|sending|recipient|mail|e-mail|email|rate|hourly|daily|sender) (?:rate )?(?:limit|quota|volume|frequency)(?:s)? (?:exceeded|reached|per|has been|is|for|hit)"
        r"|rate[- ]?limit|throttl|too (?:fast|quickly|frequently)|(?:exceed\w*|over) (?:the |your |its )?(?:rate|hourly|daily|connection|max(?:imum)? (?:number of )?(?:connections?|recipients|messages|emails))"
        r"|too many (?:recipients|messages|e?-?mails|mails|rcpts?|invalid recipients|errors|bad commands|transactions|unknown)|connection frequency|unusual rate of|sending too|max(?:imum)? (?:number of )?(?:connections|sessions|messages|emails|recipients)|concurren|try slower|slow down|aup#(?:in-)?1[34]\d\d|receiv\w+ (?:mail|messages|email)s? (?:at a rate|too quickly)|traffic (?:control|limit)|excessive (?:connections|volume|rate|messages)",
        "421 4.7.0 Too many concurrent SMTP connections from this IP address",
    ),
)

# Asked after what is said about the reader.
WEAK: tuple[Rule, ...] = (
    Rule(
        Reason.REPUTATION,
        r"\breputation\b|unexpected volume|user complaints|poor .{0,30}score|sender ?(?:score|base)|talos(?:intelligence)?\.|low trust|\btss0\d\b|\bts0\d\b|untrusted (?:ip|sender|server)|suspicious (?:activity|traffic|behaviou?r)",
        "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
    ),
    Rule(
        Reason.BLOCKED,
        r"black ?-?list|block ?-?list|deny ?list|blocked (?:using|by|for|at|due|from|because|see|-|\(|,|\.|$)|\b(?:dns|[rsu]r?)bls?\b|dnsbl|(?:is|been|are|was|has been|currently|temporarily|address|ip|client|server|host|sender|mail) blocked|spamhaus|spamcop|barracudacentral|abuseat\.|sorbs\.|uceprotect|proofpoint\.com/(?:dnsbl|ip)|invaluement|senderbase|cloudmark\.com/.{0,20}(?:reset|csi)|mail-?abuse|\bcbl\b",
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example.org",
    ),
    Rule(
        Reason.BLOCKED,
        r"(?:ip|host|server|client|network|connection)(?: address)?(?: \[?[\d.:a-f]{7,40}\]?)? .{0,30}(?:banned|rejected|refused by|denied|prohibited|not (?:allowed|permitted|welcome|accepted)|disallowed|unauthorized)|bad (?:ip|host|server|client|helo|ehlo)\b"
        r"|no access from mail server|an open relay|open proxy|dynamic (?:ip|address|pool|host)|dial-?up|residential|invalid ip for sending|messages? from (?:your |this )?(?:\[?[\d.]{7,15}\]?|ip|server|host|network) (?:weren't|were not|was not|are not|will not|has been|have been)"
        r"|too many (?:unwanted|spam|junk)|unwanted (?:messages|mail|email)|(?:invalid|bad|forged|fake|unresolvable|malformed|illegal) (?:helo|ehlo|domain name)|(?:helo|ehlo) (?:command )?(?:name |argument |host ?name )?(?:rejected|refused|invalid|is |not )"
        r"|refused to talk to me: 5|service (?:not available|refused).{0,20}(?:clos|no smtp)|problem occurred.{0,120}\(bl\)|(?:connections?|mail|e-?mail|messages?) (?:from|by) .{0,60}(?:not (?:accepted|allowed|welcome)|(?:is|are|was|been) (?:refused|rejected|denied|blocked|banned))"
        r"|\(dyn:|\(rly:|\(rtr:|\(con:|\(snd:|hvu:b|dnsbl:|mail\.live\.com/mail/troubleshooting|junkemail|delist|\bban(?:ned)?\b|for abuse|abuse from|bounced? .{0,30}abuse|go away|you are not welcome|access denied.{0,40}(?:banned|sending ip)|(?:server|system) is (?:listed|known)|unsolicited mail originating|\[c\d\d\]",
        "550 SC-004 Unfortunately, messages from 192.0.2.1 weren't sent. Please contact your Internet service provider",
    ),
)
