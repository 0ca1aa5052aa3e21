"""What mail servers write around a refusal: the phrases by which a notice, its parts and its sender are known.

Patterns are data; each stands with an example that a test reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Phrase:
    """`pattern` is searched without regard to case; `example` is a line it is meant for."""

    pattern: str
    example: str
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", re.compile(self.pattern, re.IGNORECASE))


def any_of(phrases: tuple[Phrase, ...], text: str) -> bool:
    """Whether a text says one of these; its lines may break anywhere."""
    text = " ".join(text.split())
    return any(phrase.compiled.search(text) for phrase in phrases)


# Subjects of notices that mail did not arrive, or not yet.
FAILURE_SUBJECTS = (
    Phrase(r"undeliver(?:able|ed)|non-?deliver|not deliver(?:ed|able)|undelivrable|nondeliv", "Undeliverable: Your order"),
    Phrase(r"(?:mail|message|delivery|e-?mail|transport|sending)[^\n]{0,30} (?:fail|error|problem|status|notification|report|refus|reject|return)|delivery (?:fail|status|notif|report|problem|incomplete|error)|failure (?:notice|delivery)|mail failure", "Mail delivery failed: returning message to sender"),
    Phrase(r"return(?:ed|ing) (?:mail|message|to sender|e-?mail)|mail (?:could not|cannot)|could ?n[o']t be (?:delivered|sent)|cannot (?:send|deliver) (?:message|mail)|unable to deliver|unzustellbar|non remis|no se puede entregar|n[aã]o entregue|mislukt|недоставлен|не доставлено|退信|投递|配信|配送|エラー|エラー通知", "Returned mail: see transcript for details"),
    Phrase(r"unzustellbar|nicht zugestellt|non[- ]remise|échec de (?:la )?(?:remise|distribution)|no se (?:pudo|ha podido) entregar|no entregado|falha na entrega|n[aã]o entregue|mancata consegna|non recapitabile|onbestelbaar|niet (?:bezorgd|afgeleverd)|niedostarcz|nie (?:dostarczono|udało się dostarczyć)|zwrot wiadomości|nedoručen|nedoručiteľn|(?:kan|kunne) ikke leveres|(?:kan|kunde) inte levereras|ei (?:voitu toimittaa|toimitettavissa)|kézbesíthetetlen|nem kézbesíthető|teslim edilemedi|iletilemedi|nepristatyt|не доставлен|не удалось доставить|не вдалося доставити|δεν παραδόθηκε|αποτυχία παράδοσης|배달되지|전송 실패|발송 실패|無法傳遞|无法投递|未送达", "Unzustellbar: Ihre Bestellung"),
    Phrase(r"(?:warning|delayed)[:,]? .{0,60}(?:mail|message|delay|sent|queue)|message .{0,60}(?:delayed|frozen)|there was an error sending|bounced? (?:mail|message|e-?mail)|rejected (?:mail|message)|(?:mail|message) rejected|mail system error|not (?:a )?member|loop alert|mail loop", "Warning: message 1abc-2 delayed 24 hours"),
)  # fmt: skip
DAEMONS = (
    Phrase(r"mailer[-_. ]?daemon|post_?master|mail ?deliver|delivery ?(?:sub)?system|mail[-_ ]?daemon|mail administrator|mail system|mmdf|uucp@|bounces?@|x400-mts|delivery-status|system-alert|antispam|mail router|mail delivery|complaints@", "Mail Delivery Subsystem <MAILER-DAEMON@example.com>"),
)  # fmt: skip
# Lines after which the returned mail begins.
ORIGINAL_BEGINS = (
    Phrase(r"^[ \t>*-]{0,12}-{2,}[ \t]*(?:(?:this is a copy|below this line|(?:the )?(?:header|body|start|beginning) of|original|unsent|returned|undelivered|the (?:unsent|original|returned)|message (?:header|text|body)|(?:the )?full )[^\n]{0,80})", "--- Below this line is a copy of the message."),
    Phrase(r"^[ \t]{0,8}(?:original message (?:follows|headers?)|(?:the )?(?:message |original )headers? (?:follow|are|is)|(?:the )?(?:original|returned|undelivered) (?:message|mail|e-?mail)(?: (?:follows|is (?:attached|included|below)|header|text|body)[^\n]{0,60})?[:.]?[ \t]*$|here is a copy of|[^\n]{0,40}copy of (?:the|your) (?:original |first )?(?:message|mail|header)|message header follows|the (?:first|following) [^\n]{0,30}of (?:the|your) (?:message|mail)|your (?:original )?message (?:follows|reads|was:?$)|start of returned message|(?:the )?header of (?:the|your) )", "Original message follows."),
    Phrase(r"^\*{3,}[^\n]{0,20}original|^={3,}[^\n]{0,20}(?:original|returned)|^[-_=*]{4,}\s*(?:copia|копия|ursprünglich|oorspronkelijk|mensaje original|message original)[^\n]{0,60}|^\[?(?:original message|attached message|message contents?)\]?:?[ \t]*$", "*** Original message ***"),
)  # fmt: skip
# The server goes on trying.
STILL_TRYING = (
    Phrase(r"warning only|do not need to re-?send|not yet been delivered|not been delivered yet|will be (?:re-?)?tr(?:ied|ying)|has been delayed|delivery (?:attempts will continue|is delayed|delayed|has been delayed)|still being (?:re)?tried|continue (?:to try|trying)|queued for (?:further|retry)|will (?:continue|keep|try)|no action is required|temporary failure|\(delay\)|retry(?:ing)? (?:for|until)|delayed mail|temporarily (?:deferred|delayed)", "THIS IS A WARNING MESSAGE ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE."),
)  # fmt: skip
GAVE_UP = (
    Phrase(r"permanent (?:error|fatal|failure|deliver)|fatal error|giv(?:en|ing) up|gave up|failed permanently|could not be delivered (?:to|for (?:\d|too))|has been returned|removed from the queue|will be deleted from queue|expired|undeliverable|no further attempts|was not delivered|delivery (?:has )?failed", "This is a permanent error; I've given up."),
)  # fmt: skip
# The words of a notice about a mail that did not arrive.
FAILED = (
    Phrase(r"(?:could|can|may|would|was|were|is|has|have)(?: ?n[o']t|not)(?: yet)? (?:be(?:en)? )?(?:deliver|sent|send|reach|process|forward)|(?:unable|failed|fails?|not able|impossible|trouble|error|problem)s? (?:to |in |while |when )?(?:trying to )?(?:deliver|send|reach|transfer|process)", "Your message could not be delivered to one or more recipients."),
    Phrase(r"undeliver|did not reach|had (?:permanent |transient |delivery |fatal )|returned (?:to (?:you|sender)|mail|message|errors)|delivery (?:to|of|has|status|fail|error)|was (?:not accepted|rejected|refused|aborted)|following (?:address|recipient|destination)|transcript of session|failure reasons?|unknown (?:user|recipient)|(?:user|recipient|address|mailbox)(?: is)? (?:unknown|not found)|no such (?:user|mailbox|recipient|address)|invalid final|mailbox|bounced|not (?:a )?member|incorrectly constructed|malformed|duplicated message-id|mail loop", "The following addresses had permanent fatal errors"),
    Phrase(r"送信できません|送信に失敗|配信できません|届けられ|届きません|送達できません|エラー|投递|退信|не может быть доставлено|не доставлено|nicht zugestellt|konnte nicht|n'a pas pu|no se ha podido|no (?:se )?pudo|n[aã]o (?:p[oô]de|foi)|impossibile|kon niet|nicht erreicht|wurde nicht|échec de|n'a pu être|mancata consegna|niet (?:worden )?(?:bezorgd|afgeleverd)|falha na entrega|не может быть отправлено|не удалось|не вдалося|nie (?:udało się|mogła zostać|została|może być) (?:\w+ )?dostarcz|nie dostarczono|nelze doručit|nebyl[ao]? (?:možné )?doruč|(?:kan|kunne) ikke|(?:kan|kunde) inte|mislykkedes|mislyktes|epäonnistui|ei voitu toimittaa|nem (?:sikerült )?kézbesít|teslim edilemedi|iletilemedi|nepavyko pristatyti|δεν (?:ήταν δυνατή|παραδόθηκε)|배달되지|전달(?:되지|할 수 없)|전송 실패|无法(?:投递|送达|将邮件)|無法傳遞|被退回|group you tried to contact|la gruppe|die gruppe|grupo", "メールは送信できませんでした"),
)  # fmt: skip
# Somebody answers or passes on what came back: not the mail system itself.
ANSWERS = (
    Phrase(r"^(?:re|aw|sv|vs|antw|odp|ynt|ref|fwd?|wg|tr|rv|enc|doorst|vl|vb|i|r|答复|回复|转发|返信|転送)(?:\[\d+\])? ?[:：]", "Re: Undeliverable: Your order"),
)  # fmt: skip
# Whom to ask for help: never a recipient.
HELP = (
    Phrase(r"contact|assistance|help|support|questions?|postmaster|administrator|(?<!your )(?<!the )e-?mail to|send (?:mail|a message|an e-?mail)|if you (?:do|have|feel|think|believe|know)|sent by|sender|from:|reply-to|mail from|unsubscribe|visit|report this|envelope-from|return-path|message-id|in-reply-to|references|by [a-z0-9.-]+\.[a-z]{2,}", "For further assistance, please send mail to postmaster@example.com"),
)  # fmt: skip
AUTOREPLY_SUBJECTS = (
    Phrase(r"^(?:(?:re|aw|sv): ?|yahoo! )?(?:auto:|auto(?:matic|mated|mat)?[- ]?(?:re(?:ply|sponse|sponder|spons?)|answer|antwort|matische)|automatische (?:rück)?antwort|réponse automatique|respuesta automática|resposta automática|resposta automàtica|risposta automatica|automatisch antwoord|автоответ|自動(?:返信|応答|回覆)|自动(?:回复|答复))", "Automatic reply: Your order"),
    Phrase(r"^(?:(?:re|sv|vs|odp): ?)?(?:autosvar|automatiskt? svar|automaattinen vastaus|odpowiedź automatyczna|autoodpowiedź|automatick[áa] odpove[ďď]|automatická odpověď|automatikus válasz|răspuns automat|automatski odgovor|samodejni odgovor|otomatik (?:yanıt|cevap)|automatinis atsakymas|automātiskā atbilde|automaatvastus|автоматическ(?:ий|ое) (?:ответ|сообщение)|автоматична відповідь|автоматичен отговор|αυτόματη απάντηση|자동 ?(?:회신|응답)|trả lời tự động|رد تلقائي|תגובה אוטומטית|מענה אוטומטי)", "Automatiskt svar: Hej"),
    Phrase(r"^ooo\b|[\[(]auto(?:matic|mated)?[- ]?(?:reply|response)[\])]|^automatically generated (?:reply|response)|^(?:re: ?)?(?:on )?(?:annual|maternity|parental) leave|^(?:mensaje automático|mensagem automática|message automatique|messaggio automatico|automatisch beantwoord)", "[Auto-Reply] Your order"),
    Phrase(r"out of (?:the )?office|on vacation|on holiday|away from (?:my|the)|^(?:i am |i'm )?away (?:until|from)|vacation (?:reply|message|notice)|abwesen(?:d|heit)|im urlaub|^urlaub (?:bis|vom)|nicht im büro|absence|absent(?:\(?e\)?)? du bureau|fuera de (?:la )?oficina|fuori ufficio|afwezig|frånvaro|fravær|nieobecnoś|poza biurem|mimo kancelář|ofis dışında|в отпуске|nėra biure|부재중|不在", "Out of office: back on Monday"),
)  # fmt: skip
