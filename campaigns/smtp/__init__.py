"""The SMTP Email API: a submission service (RFC 6409) through which programs hand in finished mails."""
