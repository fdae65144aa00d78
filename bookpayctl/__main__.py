"""`bookpayctl` and `python -m bookpayctl`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; ends the process with one of the documented exit codes.

    Python ends with 1 when an exception gets away, and 1 means that the system was found to be
    wrong. A tool that broke has found nothing: that is unknown, 3.
    """
    from bookpayctl.clients.shell import take_back

    take_back()
    from bookpayctl.cli.app import build_app
    from bookpayctl.report.exit_code import ExitCode

    try:
        build_app()()
    # The last handler there is: it explains and exits.
    except Exception as error:
        sys.stderr.write(f"error: {type(error).__name__}: {error}\n")
        sys.stderr.write("nothing is known; BOOKPAY_TRACEBACK=1 shows where it failed\n")
        if _wants_traceback():
            raise
        sys.exit(int(ExitCode.UNKNOWN))


def _wants_traceback() -> bool:
    import os

    return bool(os.environ.get("BOOKPAY_TRACEBACK"))


if __name__ == "__main__":
    main()
