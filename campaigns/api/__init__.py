"""The HTTP Email API: a door whose wire is Infobip's, so that existing clients only change the base URL."""
