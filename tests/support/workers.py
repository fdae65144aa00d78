"""How one run of tests is shared out to several processes: `pytest -n 2`.

A file's tests stay together, so that what is brought up for a file is brought up once. Folders
whose files share something dearer stay together as a whole. In order of collection, not by size.
"""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadScopeScheduling

# A cluster's stack, and the environment of the crash matrix: there is one of each.
WHOLE_FOLDERS: Final = ("tests/cluster", "tests/crash_matrix")


def shared_by(nodeid: str) -> str:
    """What a test must run in one process with: its folder or its file.

    >>> shared_by("tests/cluster/operators/test_eso.py::test_a_key_is_rolled")
    'tests/cluster'
    >>> shared_by("tests/unit/cli/test_goldens.py::TestHelp::test_it[a::b]")
    'tests/unit/cli/test_goldens.py'
    """
    whole = [folder for folder in WHOLE_FOLDERS if nodeid.startswith(f"{folder}/")]
    return whole[0] if whole else nodeid.partition("::")[0]


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # It comes without types.
    """Hands out files, and some folders, to whichever process has nothing left to do."""

    def _split_scope(self, nodeid: str) -> str:
        return shared_by(nodeid)
