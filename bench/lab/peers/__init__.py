"""Others at the same work: the plain Django way, django-post_office, smtplib. A small Django project of its own."""
