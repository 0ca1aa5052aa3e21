"""What happens after a mail has left: opens and clicks, unsubscribing, and what providers tell."""
