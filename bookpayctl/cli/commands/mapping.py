"""`mapping init` and `mapping test`: begin a mapping, and see what it gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.options import OutputOption
from bookpayctl.cli.output import (
    Document,
    OutputFormat,
    did,
    fail,
    hint,
    leave,
    print_json,
    print_line,
    print_table,
)
from bookpayctl.report.exit_code import REASONS, ExitCode

if TYPE_CHECKING:
    from bookpayctl.judge.mapping.document import Mapping
    from bookpayctl.judge.readers.mapped_columns import MappingFindings

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The mapping, a TOML file.")]

LEFT_OUT = "left out"


def init(
    file: FileArgument,
    dsn: Annotated[
        str | None,
        typer.Option(metavar="DSN", help="The database, without a password; else libpq's words."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Copy one that is shipped; `--like list` names them."),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Write a first mapping from a database's catalogue, with every guess marked.

    Looks at names and types alone, at no row; with --like at no database. An existing FILE is never
    overwritten.

    Example: bookpayctl mapping init shop.toml
    """
    from bookpayctl.clients.database import DatabaseError
    from bookpayctl.judge.mapping.access import dsn_of
    from bookpayctl.judge.mapping.document import DatabaseSource, MappingError
    from bookpayctl.judge.mapping.guess import GUESS, first_mapping
    from bookpayctl.judge.readers.catalogue import read_catalogue

    if file.exists():
        fail(f"{file} is there already, and is not overwritten", ExitCode.USAGE)
    tables = 0
    try:
        if like is not None:
            text = _shipped(like)
        else:
            catalogue = read_catalogue(dsn_of(DatabaseSource(dsn=dsn), {}))
            text, tables = first_mapping(_name_of(file), catalogue, dsn=dsn), len(catalogue)
        with file.open("x", encoding="utf-8") as written:
            written.write(text)
    except MappingError as error:
        fail(str(error).replace("database.dsn", "--dsn"), ExitCode.USAGE)
    except DatabaseError as error:
        fail(f"the catalogue could not be read: {str(error).strip()}", ExitCode.UNKNOWN)
    except OSError as error:
        fail(f"{file} could not be written: {error}", ExitCode.USAGE)
    guesses = 0 if like is not None else text.count(GUESS) - 1
    document = mapping_begun(file, tables=tables, guesses=guesses)
    did(f"wrote {file}")
    if output is OutputFormat.JSON:
        print_json(document)
    else:
        body = document.body
        print_line(f"{file}: {body['guesses']} guesses from {body['tables']} tables")
        hint(f"next: look at each guess, then bookpayctl mapping test {file}")


def examine_mapping(file: FileArgument, output: OutputOption = OutputFormat.TABLE) -> None:
    """Say of every column whether it is found, its type, and what is not asked without it.

    Shows three rows of each table with their content masked. Reads only.

    Example: bookpayctl mapping test shop.toml
    """
    from bookpayctl.cli.mapped_stack import stack_of
    from bookpayctl.clients.database import DatabaseError
    from bookpayctl.judge.mapping.document import MappingError
    from bookpayctl.judge.readers.mapped_columns import examine

    stack = stack_of(file, with_stripe=False)
    try:
        findings = examine(stack.dsn, stack.mapping)
    except MappingError as error:
        fail(f"{file}: {error}", ExitCode.USAGE)
    except DatabaseError as error:
        fail(f"the database could not be read: {str(error).strip()}", ExitCode.UNKNOWN)
    document = mapping_tested(stack.mapping, findings)
    if output is OutputFormat.JSON:
        print_json(document)
        leave(document.code)
    _print(document)
    for note in findings.notes:
        hint(f"note: {note}")
    for problem in findings.problems:
        hint(f"error: {problem}")
    leave(document.code)


def mapping_begun(file: Path, *, tables: int, guesses: int) -> Document:
    """What `mapping init` did."""
    body = {"file": str(file), "tables": tables, "guesses": guesses}
    return Document("MappingBegun", ExitCode.PASS, "written", body)


def mapping_tested(mapping: Mapping, findings: MappingFindings) -> Document:
    """What `mapping test` found; a mapping that does not fit is exit 2, as for an audit."""
    from bookpayctl.judge.readers.mapped_columns import not_asked_without
    from bookpayctl.judge.stacks.mapped import absences_of

    code = ExitCode.USAGE if findings.problems else ExitCode.PASS
    body = {
        "mapping": mapping.name,
        "columns": [
            {
                "table": one.table,
                "column": one.column,
                "required": one.required,
                "type": one.type_name or None,
                "examples": list(one.examples),
                "not_asked": list(one.not_asked),
            }
            for one in findings.columns
        ],
        "missing": [
            {
                "table": name,
                "reason": absence.reason,
                "declared": absence.chosen,
                "not_asked": list(not_asked_without(name)),
            }
            for name, absence in absences_of(mapping).items()
        ],
        "problems": list(findings.problems),
        "notes": list(findings.notes),
    }
    reason = "wrong_mapping" if findings.problems else REASONS[code]
    return Document("MappingTest", code, reason, body)


def _print(document: Document) -> None:
    print_table(
        ("column", "type", "examples, masked", "not asked without it"),
        [
            (
                f"{one['table']}.{one['column']}",
                one["type"] or ("MISSING" if one["required"] else LEFT_OUT),
                ", ".join(one["examples"]),
                ", ".join(one["not_asked"]),
            )
            for one in document.body["columns"]
        ],
    )
    print_line()
    print_table(
        ("ledger that is not read", "is", "not asked without it", "because"),
        [
            (
                one["table"],
                "declared" if one["declared"] else "UNKNOWN",
                ", ".join(one["not_asked"]),
                one["reason"],
            )
            for one in document.body["missing"]
            if one["not_asked"]
        ],
    )


def _shipped(name: str) -> str:
    """A mapping that is shipped; exit 2 where there is none of that name."""
    from bookpayctl.judge.mapping import shipped

    if name not in shipped.names():
        fail(f"--like {name} must be one of {', '.join(shipped.names())}", ExitCode.USAGE)
    return shipped.text_of(name)


def _name_of(file: Path) -> str:
    """A stack's name made of the file's."""
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in file.stem.lower())
    return letters.strip("-").lstrip("0123456789-")[:40] or "shop"


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Describe a stack that is not ours.")
    group.command("init")(init)
    group.command("test")(examine_mapping)
    app.add_typer(group, name="mapping")
