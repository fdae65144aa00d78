"""Three ledgers read once, and the invariants they must keep."""
