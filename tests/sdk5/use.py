"""Talk to a server by the official client 5.1.1, which lies in a folder of its own, and print what it understood.

Reads {"url", "key", "sender"} from its input. A script of its own: the client shares its name with the current one.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from infobip_api_client import ApiClient, Configuration
from infobip_api_client.api.email_api import EmailApi
from infobip_api_client.exceptions import BadRequestException

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63640000000600023081d02f"
    "0000000049454e44ae426082"
)


def main() -> None:
    given = json.load(sys.stdin)
    keys, prefixes = {"APIKeyHeader": given["key"]}, {"APIKeyHeader": "App"}
    email = EmailApi(ApiClient(Configuration(host=given["url"], api_key=keys, api_key_prefix=prefixes)))
    told = {"version": version("infobip-api-python-client")}
    sent = email.send_email(
        to=["plain@example.com", json.dumps({"to": "alice@example.com", "placeholders": {"name": "Alice"}})],
        cc=["cc@example.com"],
        bcc=["bcc@example.com"],
        var_from=given["sender"],
        subject="Hi {{name}}",
        html="<p>{{name}} {{ph1}}</p>",
        notify_url="https://cb.example.com/dlr",
        callback_data="cbd",
        attachment=[b"hello-bytes", given["file"]],
        inline_image=[PNG],
        track=True,
        track_clicks=False,
        bulk_id="bulk-1",
        message_id="m-1",
        reply_to="r@example.com",
        default_placeholders='{"ph1": "x", "name": "friend"}',
        preserve_recipients=False,
        headers='{"X-C": "v"}',
    )
    told["sent"] = [[entry.to, entry.message_id, entry.status.name] for entry in sent.messages]
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)
    email.send_email(
        to=["later@example.com"], var_from=given["sender"], subject="Hi", text="x", bulk_id="bulk-2", send_at=at
    )
    told["planned"] = email.get_scheduled_emails("bulk-2").bulks[0].send_at == at
    told["status"] = email.get_scheduled_email_statuses("bulk-2").bulks[0].status
    told["logs"] = sorted(entry.to for entry in email.get_email_logs(bulk_id="bulk-1").results)
    told["reports"] = len(email.get_email_delivery_reports().results)
    try:
        email.send_email(to=["a@example.com"], var_from=given["sender"], subject="Hi")
    except BadRequestException as refused:
        told["refused"] = refused.data.request_error.service_exception.message_id
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
