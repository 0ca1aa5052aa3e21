"""Fields of a request to send, by the name they have on the wire."""

from __future__ import annotations

TAGS: dict[str, str] = {
    # What a mail is made of
    "messages": "hipaa.endpoint",
    "sender": "delivery.domains",
    "from": "delivery.domains",
    "destinations": "hipaa.endpoint",
    "to": "hipaa.endpoint",
    "destination": "hipaa.endpoint",
    "placeholders": "hipaa.recipient-values",
    "content": "content.templates",
    "subject": "content.templates",
    "html": "content.templates",
    "text": "content.templates",
    "attachments": "hipaa.attachments",
    "attachment": "hipaa.attachments",
    "inlineImage": "hipaa.attachments",
    "replyTo": "delivery.domains",
    "unsubscribe": "delivery.suppression",
    # What the list names
    "defaultPlaceholders": "content.default-placeholders",
    "callbackData": "api.callback-data",
    "skipActiveStorage": "api.storage-flags",
    "skipPassiveStorage": "api.storage-flags",
    # Its siblings
    "applicationId": "api.free-ids",
    "entityId": "api.free-ids",
    "bulkId": "api.free-ids",
    "messageId": "api.free-ids",
    "campaignReferenceId": "api.campaign-reference",
    "headers": "api.custom-headers",
    "landingPageId": "api.landing-pages",
    "landingPagePlaceholders": "api.landing-pages",
    "ampHtml": "api.amp",
    "cc": "api.copies",
    "bcc": "api.copies",
    "preserveRecipients": "api.copies",
    "track": "tracking.clicks",
    "trackClicks": "tracking.clicks",
    "trackOpens": "tracking.opens",
    "trackingUrl": "api.tracking-url",
    "notifyUrl": "delivery.reports",
    "templateId": "content.templates",
}
