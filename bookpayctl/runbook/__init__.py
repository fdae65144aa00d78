"""Runbooks: read a page, type its commands, compare each answer with what the page expects."""
