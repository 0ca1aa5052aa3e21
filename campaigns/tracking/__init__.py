"""What happens after a mail has left: unsubscribing, and what providers tell."""
