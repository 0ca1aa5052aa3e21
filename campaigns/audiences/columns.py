"""Columns: what each column of a file is called, which one holds the address, what the others become."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from campaigns import addresses
from campaigns.errors import AddressError, CampaignError

# The mapping's words for a column: this one holds the address, this one is left out.
EMAIL = "email"
SKIP = ""
MAX_COLUMNS = 200
MAX_NAME = 60

_NAME = re.compile(r"[a-z_][a-z0-9_]*").fullmatch
# Names templates already have, and words of the Liquid language.
_RESERVED = frozenset({
    "email", "unsubscribe_url", "postal_address", "account_name", "browser_url", "unsubscribe", "browserlink",
    "true", "false", "nil", "null", "none", "empty", "blank", "and", "or", "not", "contains", "in", "if", "else",
    "elsif", "unless", "case", "when", "for", "forloop", "tablerow", "cycle", "assign", "capture",
})  # fmt: skip
_ENOUGH = 0.5


def fold_label(label: str) -> str:
    """A header without case, accents, blanks and signs, to compare it."""
    return "".join(c for c in unicodedata.normalize("NFKD", label.casefold()) if c.isalnum())


_EMAIL_WORDS = frozenset(map(fold_label, {
    "email", "emailaddress", "mail", "mailaddress", "emailid", "eaddress", "useremail", "contactemail",
    "primaryemail", "workemail", "customeremail", "subscriberemail", "emailadresse", "mailadresse", "epostadresse",
    "epost", "epostadress", "adressemail", "adresseemail", "courriel", "adressecourriel", "adresseelectronique",
    "correo", "correoelectronico", "direcciondecorreo", "direcciondecorreoelectronico", "indirizzoemail",
    "indirizzodipostaelettronica", "postaelettronica", "endereçodeemail", "enderecodeemail", "correioeletronico",
    "emailadres", "eposta", "epostaadresi", "sahkoposti", "sahkopostiosoite", "elpastas", "elpastoadresas", "epasts",
    "epastaadrese", "adresemail", "adrespocztyelektronicznej", "emailovaadresa", "emailcim", "eposti", "почта",
    "элпочта", "электроннаяпочта", "адресэлектроннойпочты", "имейл", "электроннаяадреса", "електроннапошта", "邮箱",
    "电子邮件", "电子邮箱", "メール", "メールアドレス", "이메일", "ईमेल", "ηλεκτρονικηδιευθυνση", "البريدالإلكتروني", "דואל",
}))  # fmt: skip


def label_columns(header: Sequence[str]) -> list[str]:
    """Headers made unique and never empty ("Name (2)", "Column 3"): the keys of a mapping."""
    labels: list[str] = []
    for number, cell in enumerate(header, 1):
        base = " ".join(cell.replace("\0", "").split())[:MAX_NAME] or f"Column {number}"
        label, again = base, 1
        while label in labels:
            again += 1
            label = f"{base} ({again})"
        labels.append(label)
    return labels


def suggest_mapping(labels: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """A target for every column: the likeliest one becomes "email" (none when nothing looks like it)."""
    email = _find_email(labels, rows)
    mapping: dict[str, str] = {}
    taken = set(_RESERVED)
    for index, label in enumerate(labels):
        mapping[label] = EMAIL if index == email else suggest_name(label, taken=taken, number=index + 1)
        taken.add(mapping[label])
    return mapping


def suggest_name(label: str, *, taken: set[str], number: int) -> str:
    """An attribute name a template can use: "First Name" gives first_name."""
    plain = unicodedata.normalize("NFKD", label.replace("ß", "ss").replace("ł", "l").replace("ø", "o"))
    # Words written in one go keep their parts: firstName gives first_name, CustomerID customer_id.
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", "".join(c for c in plain if not unicodedata.combining(c)))
    name = re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")[:MAX_NAME].rstrip("_")
    if not name or not re.search("[a-z]", name):
        name = f"column_{number}"
    elif name[0].isdigit():
        name = f"n_{name}"
    if name not in taken:
        return name
    again = 2
    while f"{name}_{again}" in taken:
        again += 1
    return f"{name}_{again}"


def check_mapping(mapping: Mapping[str, str], *, labels: Sequence[str]) -> dict[str, str]:
    """The mapping over all columns, unnamed ones skipped; raises CampaignError when it cannot be used."""
    unknown = [label for label in mapping if label not in labels]
    if unknown:
        raise CampaignError(
            "import.column-unknown", "The file has no such column.", action=f"Its columns: {', '.join(labels)}."
        )
    full = {label: mapping.get(label, SKIP).strip() for label in labels}
    used = [name for name in full.values() if name]
    if used.count(EMAIL) != 1:
        raise CampaignError(
            "import.no-email-column",
            "Exactly one column must hold the email address.",
            action=f"Say which one. The columns: {', '.join(labels)}.",
        )
    for name in used:
        if name == EMAIL:
            continue
        check_name(name)
        if used.count(name) > 1:
            raise CampaignError(
                "import.name-twice",
                f"Two columns cannot both be called “{name}”.",
                action="Choose another name for one.",
            )
    return full


def check_name(name: str) -> None:
    """Returns when an attribute may have this name; raises CampaignError `import.name-invalid` or `-reserved`."""
    if len(name) > MAX_NAME or not _NAME(name):
        raise CampaignError(
            "import.name-invalid",
            f"“{name[:MAX_NAME]}” cannot be used as a name.",
            action="Use small letters, digits and _, starting with a letter, such as first_name.",
        )
    if name in _RESERVED:
        raise CampaignError(
            "import.name-reserved", f"Templates already use the name “{name}”.", action="Choose another name."
        )


def _find_email(labels: Sequence[str], rows: Sequence[Sequence[str]]) -> int | None:
    """By content and header together: rows that hold addresses count most, then a header that says so."""
    best, found = 0.0, None
    for index, label in enumerate(labels):
        share = _share_of_addresses([row[index] for row in rows if index < len(row)])
        named = fold_label(label) in _EMAIL_WORDS
        score = share + (1.0 if named else 0.0)
        if score > best and (named or share >= _ENOUGH):
            best, found = score, index
    return found


def _share_of_addresses(cells: Sequence[str]) -> float:
    filled = [cell for cell in cells if cell.strip()]
    return sum(map(is_address, filled)) / len(filled) if filled else 0.0


def is_address(cell: str) -> bool:
    """True for text that is an address and nothing else."""
    try:
        addresses.parse(cell)
    except AddressError:
        return False
    return True
