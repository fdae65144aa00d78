"""Red controls: stacks and ledgers that are wrong on purpose, and which questions must say so.

Pure data. A question that no control turns red may be blind, and every report says so.
"""
