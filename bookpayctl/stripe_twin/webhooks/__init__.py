"""Signed webhooks: who wants which event, how it is signed, when it is tried again."""
