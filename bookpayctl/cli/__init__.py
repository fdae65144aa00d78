"""Arguments in, one call, a document and an exit code out; nothing is decided here."""
