"""`bookpayctl` and `python -m bookpayctl`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process with one of the documented exit codes."""
    from bookpayctl.cli import build_app

    build_app()()


if __name__ == "__main__":
    main()
