"""A request of the test console as programs would write it: curl, and Infobip's Python clients."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import Message

from campaigns.admin.console_bodies import ENDPOINTS

_CAMEL = re.compile(r"(?<!^)(?=[A-Z])")
_MANY = {"to", "cc", "bcc", "attachment"}
_JSON = """from infobip_api_client import ApiClient, Configuration, models
from infobip_api_client.api.email_api import EmailApi

body = {body}
email = EmailApi(ApiClient(Configuration(host="{host}", api_key=API_KEY)))
answer = email.{method}(models.{model}.from_json(body))
print(answer.to_json())
"""
_FORM = """from infobip_api_client import ApiClient, Configuration
from infobip_api_client.api.email_api import EmailApi

keys, prefixes = {{"APIKeyHeader": API_KEY}}, {{"APIKeyHeader": "App"}}
email = EmailApi(ApiClient(Configuration(host="{host}", api_key=keys, api_key_prefix=prefixes)))
answer = email.send_email(
{arguments}
)
print(answer.to_json())
"""
_CALLS = {"messages": ("send_email", "EmailRequest"), "mime": ("send_mime_email", "EmailSendMimeRequestSchema")}


def write_curl(endpoint: str, *, host: str, kind: str, body: str) -> str:
    """The request for a shell; the key comes from its environment."""
    word = "BODY"
    while word in body:
        word += "_"
    call = (
        f"curl -X POST '{host}{ENDPOINTS[endpoint].path}' \\\n"
        f"  -H \"Authorization: App $API_KEY\" \\\n  -H 'Content-Type: {kind}' \\\n  --data-binary @-"
    )
    text = body.replace("\r\n", "\n").removesuffix("\n")
    # Lines of a form end in CR LF (RFC 2046 §5.1.1), which no shell writes by itself.
    begin = f"sed 's/$/\\r/' <<'{word}' | {call}" if endpoint == "form" else f"{call} <<'{word}'"
    return f"{begin}\n{text}\n{word}\n"


def write_python(endpoint: str, *, host: str, kind: str, body: str) -> str:
    """The request for the client that speaks this operation; empty when a form cannot be read."""
    if endpoint == "form":
        arguments = _read_arguments(kind, body)
        return _FORM.format(host=host, arguments="\n".join(arguments)) if arguments else ""
    method, model = _CALLS[endpoint]
    return _JSON.format(host=host, body=_as_literal(body), method=method, model=model)


def _as_literal(body: str) -> str:
    return repr(body) if "'''" in body or body.endswith(("\\", "'")) else f"r'''{body}'''"


def _read_arguments(kind: str, body: str) -> list[str]:
    form = message_from_bytes(f"Content-Type: {kind}\r\n\r\n{body}".encode("utf-8", "replace"))
    found: dict[str, list[str]] = {}
    for part in form.get_payload() if form.is_multipart() else ():
        assert isinstance(part, Message)
        name = str(part.get_param("name", "", "content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        value = repr(data) if part.get_filename() else repr(data.decode("utf-8", "replace"))
        found.setdefault("var_from" if name == "from" else _CAMEL.sub("_", name).lower(), []).append(value)
    return [
        f"    {name}=[{', '.join(values)}]," if name in _MANY else f"    {name}={values[0]},"
        for name, values in found.items()
    ]
