"""Runbooks: pages, matching, running."""
