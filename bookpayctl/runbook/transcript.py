"""What was typed and what it answered, for whoever was not there: JSON and Markdown.

Made of the run's journal, line by line, with the hash that each line has of the one before it: a
transcript from which a line was taken, or in which one was changed, no longer follows itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bookpayctl.report.document import API_VERSION
from bookpayctl.runs.directory import JOURNAL_FILE, read_lines
from bookpayctl.runs.files import rewrite_atomically, write_atomically

JSON_FILE: Final = "transcript.json"
MARKDOWN_FILE: Final = "transcript.md"


def keep(run_dir: Path) -> None:
    """Write both forms into the run's folder.

    Raises:
        OSError: one could not be written, or the journal cannot be read.
    """
    lines = list(read_lines(run_dir / JOURNAL_FILE))
    write_atomically(run_dir / JSON_FILE, json_transcript(run_dir.name, lines))
    write_atomically(run_dir / MARKDOWN_FILE, markdown_transcript(run_dir.name, lines))


def export(run_dir: Path, path: Path) -> None:
    """The same for a place of somebody's choice: JSON where its name ends so, else Markdown.

    Raises:
        OSError: it could not be written.
    """
    kept = run_dir / (JSON_FILE if path.suffix == ".json" else MARKDOWN_FILE)
    rewrite_atomically(path, kept.read_text(encoding="utf-8"))


def json_transcript(run_id: str, lines: Sequence[Mapping[str, Any]]) -> str:
    """The document: the journal's lines as they are, oldest first."""
    document = {
        "apiVersion": API_VERSION,
        "kind": "RunbookTranscript",
        "run": run_id,
        "lines": list(lines),
    }
    return json.dumps(document, indent=2) + "\n"


def markdown_transcript(run_id: str, lines: Sequence[Mapping[str, Any]]) -> str:
    """A page for a person: each command in a block of its own, with its answer."""
    return "\n".join(_page(run_id, lines)) + "\n"


def _page(run_id: str, lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"# Transcript {run_id}"
    for line in lines:
        match str(line["event"]):
            case "runbook":
                yield f"\nRunbook `{line['slug']}`, SHA-256 `{line['sha256']}`, {line['at']}."
            case "step_typed":
                yield f"\n## Step {line['number']}, {line['at']}\n"
                yield from _fenced([f"$ {line['command']}"])
            case "step_answered":
                yield ""
                yield from _fenced([*line["stdout"].splitlines(), *_of_stderr(line["stderr"])])
                yield f"\nExit {line['status']}, {line['milliseconds']} ms: {line['verdict']}."
                if line["rows"]:
                    yield ""
                    yield from _fenced(line["rows"])
            case "step_skipped":
                yield f"\nStep {line['number']} skipped: {line['reason']}."
            case "step_overdue" | "step_impossible" | "refused":
                yield f"\n{line['reason']}."
            case "stopped":
                yield f"\nStopped by {line['signal']}."
            case "verdict":
                yield f"\n**Verdict {line['verdict']}, exit {line['code']}.**"
            case _:
                yield f"\n{line['event']}."
    if lines:
        yield f"\nThe last line follows `{lines[-1]['previous']}`; `{JSON_FILE}` has all of them."


def _of_stderr(text: str) -> list[str]:
    return [f"stderr: {line}" for line in text.splitlines()]


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    # Longer than any fence that an answer may hold.
    longest = max((len(line) - len(line.lstrip("`")) for line in lines), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}text"
    yield from lines
    yield fence
