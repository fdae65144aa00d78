"""This machine: who owns what on it, and which ports and files are free."""
