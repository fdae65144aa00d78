"""BP-O010: the database has the schema of the code, no less and no other."""

from __future__ import annotations

from typing import Final

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, judged, warned
from bookpayctl.targets.schema_version import SchemaVersion, schema_version


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Compare the database's record of migrations with those that are shipped."""
    return answer(schema_version(inquiry.environment.dsn))


def answer(found: SchemaVersion) -> CheckAnswer:
    """What the difference means: what is missing breaks today, what is newer may."""
    problems = [
        *(f"{name} is not applied" for name in found.missing),
        *(f"{name} was applied with another text" for name in found.changed),
    ]
    newer = [f"{name} is applied and not known to this version" for name in found.unknown]
    seen = f"{found.applied} migrations, the newest {found.newest}"
    evidence = (
        f"applied: {found.applied}, the newest {found.newest or 'none'}",
        f"not applied: {', '.join(found.missing) or 'none'}",
        f"not known: {', '.join(found.unknown) or 'none'}",
        f"changed: {', '.join(found.changed) or 'none'}",
    )
    examined = found.applied + len(found.missing)
    if problems:
        return judged([*problems, *newer], seen, examined, evidence)
    return warned(newer, seen, examined, evidence, _NEWER)


_NEWER: Final = "install the bookpayctl of the stack's version"

CHECK: Final = Check(
    id="BP-O010",
    title="the schema is the code's",
    question="Has the database every migration that this version ships, with the same text?",
    required="each shipped migration applied, as it is shipped, and none that is not known",
    why="A service that meets a table it does not know stops, or writes what nobody reads.",
    fix="python -m runtime migrate, or bookpayctl up",
    ask=ask,
    category=Category.OPERATIONS,
)
