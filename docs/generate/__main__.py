"""`python -m docs.generate [--check]`: write every generated part anew, or say which are old.

Exit status 0 when every page is as it should be, 1 when `--check` found an old one.
"""

from __future__ import annotations

import argparse
import sys

from docs.generate.pages import ROOT, outdated


def main(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args(argv)
    old = outdated()
    for path, text in old.items():
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
        verb = "is old" if arguments.check else "written"
        sys.stdout.write(f"{path.relative_to(ROOT)}: {verb}\n")
    if old and arguments.check:
        sys.stdout.write("renew them: python -m docs.generate\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
