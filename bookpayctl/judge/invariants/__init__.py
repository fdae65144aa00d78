"""What must hold of a shop's ledgers: one SQL file each, on the tables of `judge.ledgers`.

`rules.py` says how a file is written, `derived.sql` holds what several of them ask of.
"""
