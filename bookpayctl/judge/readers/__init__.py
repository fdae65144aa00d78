"""The three ledgers, each read in its own way into the same rows."""
