"""The parent of every process: what it runs, what it saw end, and how to ask it."""
