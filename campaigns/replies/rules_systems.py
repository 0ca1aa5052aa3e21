"""Refusals that are about systems and lines; some wrap a better reason, so they are asked last."""

from __future__ import annotations

from campaigns.replies.meaning import Reason
from campaigns.replies.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        Reason.SYSTEM_FULL,
        r"insufficient (?:system|disk|storage|server|queue)|(?:no|not enough|out of|low|lack of|insufficient)(?: free| available)? (?:disk|system|space|storage|queue)|(?:disk|file ?system|spool|queue|system|server) (?:is )?full|no space left",
        "452 4.3.1 Insufficient system storage",
    ),
    Rule(
        Reason.NO_TLS,
        r"\b(?:start)?tls\b|\bssl\b|certificate|handshake (?:fail|error)|encryption (?:required|needed|is required)|cipher|must issue a starttls",
        "454 4.7.5 TLS is required, but our TLS engine is unavailable",
    ),
    Rule(
        Reason.NETWORK,
        r"(?:hop|hops) ?(?:count|limit)|too many hops|routing loop|mail loop|loops? back|looping|loop (?:detected|count)|\bloop\b|name server|name service error|host name look ?up (?:failure|failed)|dns (?:error|failure|lookup|type|query|server|problem|temporar|timeout)|\b(?:domain|host) lookup fail|look ?up (?:failure|failed|timed)|no route to host|network (?:is )?(?:unreachable|error|problem|failure|unavailable)|(?:lost|lose) connection|connection (?:was |is |has been )?(?:lost|dropped|reset|closed|aborted|broken|died|terminated|went away)|reset by peer|broken pipe|unable to (?:resolve|lookup)|host (?:is )?(?:unreachable|not reachable)|temporar\w+ (?:dns|name|lookup|resol)|communication (?:failure|error)|servfail|bad connection|protocol family|cannot assign",
        "Name service error for name=example.com type=MX: Host not found, try again",
    ),
    Rule(
        Reason.EXPIRED,
        r"time[ds]?[- ]?out|connection (?:was )?(?:refused|timed)|refused connection|(?:connect\w*|connecting|contact(?:ing)?) (?:to|with) .{0,80}(?:fail|refused|timed|could not|unable|error)|(?:unable|not able|fail\w*|cannot|could not|couldn't) (?:to )?(?:connect|reach|contact|establish)|(?:could not|couldn't|cannot|can't|unable to|failed to|not (?:be )?)(?: be)? deliver(?:ed|able)? (?:\w+ ){0,4}?(?:for|in|within|after|since) (?:the last |more than |over |too )?(?:\d|long)|giving up|gave up|too (?:long|old)|in the queue|retry (?:time|timeout|limit|period)|expired|(?:delivery|message|retry|queue)\w* (?:has |was |is |been )*(?:expir|time[ds]? ?out|delay)|all hosts? (?:have|has|for)|could not find a gateway|been failing|did not accept our requests|not (?:yet )?been delivered|delayed (?:for|by|because)?|still being (?:re)?tried|will be (?:re)?tried|will retry|deferred:|delivery (?:delay|attempt)|undeliver\w+ (?:for|after) .{0,15}(?:day|hour|min)|after (?:\d+|several|many) (?:hour|day|attempt|tries)|persist\w* transient|maximum (?:time|retries|retry|attempts|lifetime)|unable to deliver (?:this |the )?message after|days? old|is not responding|no (?:answer|response) from|does(?:n't| not) (?:answer|respond)|was aborted",
        "Message could not be delivered for 5 days",
    ),
    Rule(
        Reason.LOCAL_DELIVERY,
        r"mailer (?:error|terminated|\")|unknown mailer|command (?:died|failed|exited|line usage)|exit (?:status|code|value)|(?:exited|died|failed) with (?:status|code|exit|signal|error)|\bpipe\b|procmail|prog(?:ram)? mailer|child (?:status|process|crash)|local delivery (?:fail|agent)|x-unix;|mail filter (?:error|fail)|transport (?:returned|failed)|local configuration|delivery agent|(?:local )?mailbox driver|\.forward|temporary failure in .{0,20}(?:command|prog)|signal \d+",
        '554 5.3.0 unknown mailer error 255: "|/usr/local/bin/filter"',
    ),
    Rule(
        Reason.SYSTEM,
        r"(?:internal|system|server|software|configuration|database|temporary|local|unexpected|unknown|fatal|resource|ldap|file|i/o|processing|operating|disk|queue|storage|backend|critical) (?:server |system |config\w* |problem |lookup |processing )?(?:error|failure|problem|trouble|fault|issue|misconfigur\w+)|(?:service|server|system|resources?|facility|destination)(?: is| are)?(?: currently| temporarily| not)* (?:unavailable|available|shutting|overload|busy|down|maintenance|disabled|not accepting)|could not (?:load|open|read|write|lock|complete|process|lookup|create)|misconfigur|can(?:not|'t) (?:open|create|write|lock|read|append|exec|chdir)|out of memory|busy|maintenance|overload|(?:too much|high|heavy|excessive) load|load (?:average|too high|is too)|resources? temporarily|not accepting (?:network )?(?:messages|mail|connections)|shutting down|try again|temporar|queue (?:file|write)|mapi|storedrv|undeterminable|requested action aborted|service (?:currently|temporarily)|error in processing|internal|storage (?:allocation|error)|system (?:incorrectly|not)|unable to (?:accept|process|create|open|write|store|save|queue|parse)",
        "451 4.3.0 Internal server error",
    ),
)
