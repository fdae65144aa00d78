"""Parts of pages that are made from the code, so that no page can say what the code does not.

A part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`; the prose around it is
written by hand. `python -m docs.generate` writes all parts anew, `--check` only says which are old.
"""
