"""We call a customer: what is said, how it is signed, and when it is said again."""
