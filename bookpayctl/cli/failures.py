"""What a person is told when `up` or `down` did not work, and the exit code for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bookpayctl.render import fail, hint
from bookpayctl.report import ExitCode


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Turn the target's errors into a message, a remedy and an exit code."""
    from bookpayctl.targets.local.credentials import LiveKeyError
    from bookpayctl.targets.local.interrupts import Stopped
    from bookpayctl.targets.local.leftovers import LeftoversError
    from bookpayctl.targets.local.lock import LockTimeoutError
    from bookpayctl.targets.local.owner import OwnerError
    from bookpayctl.targets.local.ports import PortTakenError
    from bookpayctl.targets.local.state import StateError
    from bookpayctl.targets.local.supervisor import SupervisorError
    from bookpayctl.targets.local.waiting import DeadlineError, PartFailedError

    try:
        yield
    except PartFailedError as error:
        _show_log(root, error.part, error.log)
        fail(f"{error}; nothing was left running", ExitCode.VIOLATED)
    except DeadlineError as error:
        _show_log(root, error.part, error.log)
        fail(f"{error}; nothing was left running", ExitCode.DEADLINE)
    except LockTimeoutError as error:
        fail(str(error), ExitCode.DEADLINE)
    except (PortTakenError, OwnerError, StateError) as error:
        fail(str(error), ExitCode.USAGE)
    except LiveKeyError as error:
        fail(str(error), ExitCode.REFUSED)
    except LeftoversError as error:
        fail(str(error), ExitCode.DIRTY)
    except SupervisorError as error:
        fail(str(error), ExitCode.UNKNOWN, fix="bookpayctl down, then bookpayctl up")
    except OSError as error:
        fail(f"{error}", ExitCode.USAGE, fix="bookpayctl doctor")
    except Stopped as stop:
        code = ExitCode.INTERRUPTED if stop.number == signal.SIGINT else ExitCode.TERMINATED
        fail(f"stopped by {stop}; nothing was left running", code)


def _show_log(root: Path, part: str, log: tuple[str, ...]) -> None:
    if log:
        hint(f"last lines of {root / 'logs' / part}.log:")
    for line in log:
        hint(f"    {line}")
