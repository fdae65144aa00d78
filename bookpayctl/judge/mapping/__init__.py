"""A stack that is not ours, described in one file: where its rows are, and what its words mean."""
