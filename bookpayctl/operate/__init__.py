"""What an operator asks of a running stack: requests, dead letters, shadow mode."""
