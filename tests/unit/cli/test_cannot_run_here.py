"""What a command says when the system refuses it a file."""

from __future__ import annotations

import errno
from pathlib import Path

from bookpayctl.cli.errors import cannot_run_here
from bookpayctl.report.exit_code import ExitCode

ROOT = Path("/srv/shop/.bookpay/default")


def test_a_full_disk_is_told_with_its_folder_and_a_way_out() -> None:
    failure = cannot_run_here(OSError(errno.ENOSPC, "No space left on device"), ROOT)

    assert failure.code is ExitCode.USAGE
    assert failure.message == f"No space left on device: {ROOT}"
    assert "BOOKPAY_HOME" in failure.fix


def test_a_file_that_is_refused_is_named() -> None:
    failure = cannot_run_here(PermissionError(errno.EACCES, "Permission denied", "/etc/x"), ROOT)

    assert "'/etc/x'" in failure.message
    assert failure.fix == "bookpayctl doctor"
