"""`bookpayctl` and `python -m bookpayctl`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process with one of the documented exit codes."""
    from bookpayctl.clients.shell import speak_utf8, take_back

    speak_utf8()
    # Before anything else is imported: a folder of the shell may hold a module of the same name.
    take_back()
    from bookpayctl.cli.ending import main as run_to_its_end

    run_to_its_end()


if __name__ == "__main__":
    main()
