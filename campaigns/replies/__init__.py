"""What a mail server's refusal means: pure, and for everybody who meets one."""
