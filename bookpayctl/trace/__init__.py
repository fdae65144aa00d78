"""One order through every ledger: collect its records, lay them on one timeline."""
