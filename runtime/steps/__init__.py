"""Decisions done in a transaction: what the domain decides, written to the tables."""
