"""What an event costs after a million others, for every detector of streams."""
