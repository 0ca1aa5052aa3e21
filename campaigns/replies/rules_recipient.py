"""Refusals that are about the reader's address: gone, moved, full, switched off."""

from __future__ import annotations

from campaigns.replies.meaning import Reason
from campaigns.replies.rule import Rule

# "The mailbox of so-and-so": a few words may stand between the noun and what is said about it.
_BOX = r"(?:mail ?-?(?:box|folder|drop|dir|account|addre?ss)|in-?box|e-?mail (?:account|addre?ss|box|id)|user ?-?(?:account|name|id|'s mailbox)?|account|recipient(?:'s)?(?: e?-?mail| email)?(?: addre?ss| account| mailbox)?|addre?ss(?:ee)?|alias|local[- ]part|destinat(?:ion|ary)(?: e?-?mail)?(?: addre?ss| mailbox)?|username|subscriber|person|customer|contact|name)"
_GAP = r"(?: (?:that |which )?you (?:tried|are trying|attempted|wanted) to (?:reach|contact))?(?:[ :,;<(\['\"]+[^ ]{1,80}){0,3}?[ :,;>)\]'\"-]{1,4}"

RULES: tuple[Rule, ...] = (
    Rule(
        Reason.MAILBOX_FULL,
        r"(?:mail ?-?box|mail ?folder|mail ?dir|in-?box|mail ?drop|account|user|storage|space|recipient)(?:'s)?(?: \S+){0,5} (?:is |are |was |has )?(?:full|over ?quota|over (?:its |the |their |his )?(?:\w+ )?(?:quota|limit|size|storage)|out of (?:storage|space)|exceed\w*|too full|at capacity|overdrawn|overflow)|(?:full|overfull) (?:mail ?box|in-?box)|over ?-?quota|quota (?:exceeded|full|reached|violat|error|limit|has been|is (?:full|exceed)|used|overflow)|exceed\w* (?:\S+ ){0,4}(?:quota|storage|allot\w+|disk)|(?:disk|storage|mailbox|user|mail|space|hard) quota|insufficient (?:quota|mailbox|user)|quotaexceeded|not enough (?:storage )?space (?:in|for|available|on) (?:\S+ )?(?:\S+ )?(?:mailbox|user|recipient)|mailbox (?:has )?(?:exceed|limit|size)|storage (?:limit|space|exceed)|out of (?:storage|disk) space|no (?:more )?(?:space|room) (?:left )?in (?:\S+ )?(?:mailbox|inbox)|too much (?:mail|data) (?:in|for)|would (?:exceed|be over)|boîte .{0,20}pleine|postfach .{0,20}voll|buz[oó]n .{0,20}lleno|casella .{0,20}piena|ящик .{0,30}переполнен|容量",
        "552 5.2.2 <ann@example.com>: user is over quota",
    ),
    Rule(
        Reason.DISABLED,
        rf"{_BOX}{_GAP}?(?:is |has been |was |are |temporarily |currently |been )*(?:disabled|locked|suspend\w*|frozen|deactivat\w*|inactive|not active|discontinued|deferred|blocked|closed for|unavailable for|restricted|expired|limited)|(?:disabled|inactive|suspended|locked|frozen|deactivated|blocked|expired|dormant) (?:recipient|mail ?box|user|account|address|e-?mail)|not currently active|mailbox currently suspended|account (?:expired|not activated)|vacation hold|account.{0,40}under (?:review|verification)",
        "525 5.7.13 <ann@example.com>: Recipient address rejected: Disabled recipient address",
    ),
    Rule(
        Reason.MOVED,
        r"(?:recipient|user|mailbox|account|address|person) (?:is |has )?(?:no longer on (?:this |the )?server|moved|changed|been (?:moved|replaced|changed))|has moved to|moved to (?:a new|another|@)|please (?:try|use|update|send|note).{0,30}new (?:e-?mail )?address|(?:new|changed) (?:e-?mail )?address (?:is|to)|address(?: @)? (?:has )?(?:been )?(?:changed|replaced)|not local[;,:]? please (?:try|forward)",
        "550 5.1.6 recipient no longer on server: ann@example.com",
    ),
    Rule(
        Reason.NO_MAIL,
        r"null ?mx|indicated no smtp service|(?:domain|host|server|system)(?: \S+)? (?:does not|doesn't|do not|never) (?:accept|receive|take|handle|support) (?:any )?(?:e?-?mail|smtp|messages)(?! (?:from|for))|couldn't find a mail exchanger|(?:no|without|missing|find any) (?:valid |usable )?(?:mx|mail exchang\w+)(?: record| host|s)?|(?:doesn't|does not) have (?:a |any )?(?:valid )?mx|no (?:mx|a) (?:or|and|nor) (?:mx|a|aaaa)|only accepts mail from|recipient domain .{0,30}(?:no mx|not accept)|mail (?:is )?not accepted (?:here|for this domain|at this host)|nicht als mail|smtp protocol is disabled",
        "556 5.1.10 Recipient address has null MX",
    ),
    Rule(
        Reason.NO_DOMAIN,
        r"(?:unknown|unrouteable|unroutable|bad|invalid|illegal|non-?existent) (?:destination |recipient |mail |e-?mail |target )?(?:host|domain)\b(?! of sender)|(?:host|domain)(?: name)?(?: or domain name)?(?: \S+){0,2} (?:is |was |could |does )?(?:not found|unknown|not exist|not be found|not known|invalid|n't exist|isn't (?:known|found)|not reachable|not resolve)(?!,? ?(?:try again|temporar))|no such (?:host|domain)|couldn't find any host named|nxdomain|(?:could not|couldn't|cannot) find (?:the |a )?(?:host|domain)|(?:no|without) (?:valid |known )?(?:dns|host|address) (?:entry|information|data|record)s? (?:for|found)|relevant mx records point to non-?existent|domain (?:must|should) (?:exist|resolve)|name or service not known|no dns (?:information|record)|does not resolve",
        "550 5.1.2 <ann@example.com>... Host unknown (Name server: host not found)",
    ),
    Rule(
        Reason.NO_MAILBOX,
        rf"(?:unknown|invalid|bad|illegal|incorrect|non-?existe?nt|not existing|nonexisting|undefined|unrecogni[sz]ed|unresolvable|unrouteable|unroutable|undeliverable|wrong) (?:final |delivery |destination |local |virtual |or (?:invalid|illegal|unavailable) |e-?mail |to )*{_BOX}",
        "550 5.1.1 <ann@example.com>: unknown user",
    ),
    Rule(
        Reason.NO_MAILBOX,
        rf"{_BOX}{_GAP}?(?:is |was |are |could |can |does |do |has |currently |probably |either )*(?:unknown|invalid|(?:not |n't )(?:be )?(?:found|exist\w*|known|recogni[sz]ed|listed|valid|registered|resolve[d]?|located|present|defined|available (?:at|on) this)|cannot be (?:found|resolved|located)|no longer (?:valid|available|active|exists?|in (?:use|service)|here|with|work\w*|used|accept\w*)|non-?exist\w*|undeliverable|terminated|deleted|removed|(?:been )?cancell?ed|closed|no such|unrouteable)",
        "550 5.1.1 The email account that you tried to reach does not exist",
    ),
    Rule(
        Reason.NO_MAILBOX,
        rf"(?:no|not|isn't|never) (?:such |a |an |any |our |known |valid |current |existing |active |longer |local |matching |one |here )*{_BOX}(?: (?:here|by|with|at|found|known|of|in|on|for|under|named|called|called|exists?)|[ .,;:!)]|$)(?<!not a user )",
        "550 Sorry, no mailbox here by that name",
    ),
    Rule(
        Reason.NO_MAILBOX,
        r"(?:does not|doesn't|do not|don't|didn't|did not) (?:have|find|know|recogni[sz]e|host|match) (?:an? |the |any |that |this |such )?(?:\S+ ){0,2}(?:account|mail ?box|user|recipient|address|profile)|(?:not|isn't) (?:listed|found|known|present) in (?:the )?(?:public |domino |company |active |lotus )?(?:name|directory|address|system|list|database|ldap|domino)|recip(?:ient)?notfound|resolver\.adr\.|addressunknown|unknown to (?:this|us|the system)|user(?:name)? unknown|no one (?:here|by)|nobody (?:here|by|with)|has no (?:mail ?box|account|email)|(?:not|isn't|no longer) (?:deliverable|a customer|an employee|with (?:us|the|this))|returned (?:mail)?: user|rcp-p1|5\.1\.1 \(?e?\)?address (?:rejected|unknown)|couldn't be found or is invalid|wasn't found at|not (?:accepted|accepting) for (?:this|that) recipient\b|recipient (?:is )?not (?:ok|on file|here)|invalid final delivery",
        "550 This user doesn't have an example.com account (ann@example.com)",
    ),
    Rule(
        Reason.NO_MAILBOX,
        r"utilisateur (?:inconnu|inexistant)|(?:adresse|destinataire|compte|boîte)(?: \S+){0,3} (?:inconnue?|inexistante?|introuvable|n'existe)|benutzer (?:unbekannt|nicht)|empf[aä]e?nger (?:unbekannt|nicht|existiert)|(?:adresse|postfach|konto|mailbox)(?: \S+){0,3} (?:unbekannt|existiert nicht|nicht (?:gefunden|vorhanden|bekannt))|usuario (?:desconocido|no|inexistente)|(?:cuenta|buz[oó]n|direcci[oó]n|usuario|destinatario)(?: \S+){0,3} (?:no existe|desconocid[oa]|inexistente|no (?:fue )?encontrad)|(?:utente|casella|indirizzo|destinatario)(?: \S+){0,3} (?:sconosciut[oa]|inesistente|non (?:esiste|trovat))|(?:usu[aá]rio|conta|caixa|endereço|destinat[aá]rio)(?: \S+){0,3} (?:desconhecid[oa]|inexistente|n[aã]o (?:existe|encontrad))|gebruiker (?:onbekend|niet)|bestaat niet|konto nie istnieje|nie ma takiego (?:użytkownika|konta)|пользователь (?:не найден|не существует)|(?:адрес|ящик|получатель)(?: \S+){0,3} не (?:найден|существует)|用户不存在|用戶不存在|无此用户|没有此用户|找不到.{0,12}(?:收件|用户)|宛先不明|メールアドレスが(?:見つかり|存在)|ユーザ.{0,6}(?:存在しま|見つかり|不明)|宛先.{0,10}(?:存在しま|見つかり)",
        "550 5.1.1 <ann@example.com>: Benutzer unbekannt",
    ),
    Rule(
        Reason.FILTERED,
        r"(?:recipient|user|address(?:ee)?|mailbox)(?:'s)?(?: \S+){0,2} (?:has |have )?(?:filter|rejects? (?:this|your|the)|refused|denied|does not (?:want|wish)|doesn't (?:want|wish)|not accepting)|(?:message|mail) (?:was |is |has been )?(?:filtered|rejected by (?:the )?(?:user|recipient))|due to (?:extended inactivity|user's)|rejected by recipient|domain filter|filter (?:rule|setting)s?|\bfiltered\b|you have been (?:blocked|rejected) by the (?:recipient|user)|受信拒否",
        "550 5.7.1 This message was rejected by the recipient's filter",
    ),
    Rule(
        Reason.ON_HOLD,
        r"\bon hold\b|recipient error|pending (?:approval|moderation)|held for (?:review|moderation|approval)",
        "550 5.0.0 Recipient address rejected: On hold",
    ),
)
