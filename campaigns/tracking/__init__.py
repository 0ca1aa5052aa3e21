"""What happens after a mail has left: so far, unsubscribing."""
