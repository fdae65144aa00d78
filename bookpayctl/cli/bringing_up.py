"""`up`, typed by a command that needs a stack; harmless where all is up."""

from __future__ import annotations

import subprocess
import sys

from bookpayctl.cli.output import hint
from bookpayctl.report.exit_code import ExitCode


def bring_up(name: str, on: str | None) -> ExitCode:
    """Run it, and return what it came to; its document goes to stderr, as progress."""
    hint(f"bringing environment {name!r} up")
    command = [sys.executable, "-P", "-m", "bookpayctl", "up", "--name", name]
    command += ["--on", on] if on else []
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    known = {int(code): code for code in ExitCode}
    return known.get(done.returncode, ExitCode.UNKNOWN)
