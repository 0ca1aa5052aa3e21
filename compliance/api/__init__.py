"""What programs ask about compliance."""
