"""A report as JUnit XML, for CI.

Pure. A failure is a system that is wrong, an error is a question that could not be answered or
looked at nothing; a report without items has one failed case, so that CI never sees an empty pass.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.text import UNCERTIFIED, suppression_of
from bookpayctl.report.verdict import Item, Verdict

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
# Characters XML 1.0 cannot hold at all, not even escaped; an answer of a server may have them.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_document(report: Report) -> str:
    """One test suite with one case per item."""
    suite = ElementTree.Element("testsuite", name=report.kind)
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {
        **report.context,
        "exit_code": str(int(report.code)),
        "exit_reason": report.reason,
        "verdict": report.verdict.value,
    }.items():
        ElementTree.SubElement(properties, "property", name=name, value=_clean(value))
    for note in report.notes:
        ElementTree.SubElement(properties, "property", name="note", value=_clean(note))
    for item in report.items:
        _add_case(suite, report, item)
    if not report.items or (report.code is not ExitCode.PASS and not _has_problem(suite)):
        _add_synthetic_case(suite, report)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for kind in ("failure", "error", "skipped"):
        count = sum(1 for case in cases if case.find(kind) is not None)
        suite.set(kind if kind == "skipped" else f"{kind}s", str(count))
    suite.set("time", f"{report.duration_seconds:.3f}")
    suite.set("timestamp", report.started_at)
    return _DECLARATION + ElementTree.tostring(suite, encoding="unicode")


def junit_failure(code: ExitCode, reason: str, message: str, fix: str) -> str:
    """The suite of a command that did not come to a report: one case, which has an error."""
    suite = ElementTree.Element(
        "testsuite", name="Failure", tests="1", failures="0", errors="1", skipped="0"
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {"exit_code": str(int(code)), "exit_reason": reason}.items():
        ElementTree.SubElement(properties, "property", name=name, value=value)
    case = ElementTree.SubElement(suite, "testcase", classname="Failure", name="the command itself")
    error = ElementTree.SubElement(case, "error", message=_clean(message))
    if fix:
        error.text = _clean(f"fix: {fix}")
    return _DECLARATION + ElementTree.tostring(suite, encoding="unicode")


def _add_case(suite: ElementTree.Element, report: Report, item: Item) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=report.kind,
        name=_clean(f"{item.id} {item.title}"),
        time=f"{item.duration_ms / 1000:.3f}",
    )
    details = "\n".join(
        (
            f"required: {item.required}",
            f"observed: {item.observed}",
            f"examined: {item.examined}",
            *(f"evidence: {line}" for line in item.evidence),
            *([f"fix: {item.fix}"] if item.fix else []),
            *([f"controls: {', '.join(item.controls)}"] if item.controls else []),
            *([] if item.certified else [UNCERTIFIED]),
        )
    )
    kind = _element_of(item, report)
    if kind is None:
        ElementTree.SubElement(case, "system-out").text = _clean(details)
        return
    message = item.reason or item.observed
    if item.suppressed:
        message = f"{suppression_of(item)}; observed: {item.observed}"
    problem = ElementTree.SubElement(case, kind, message=_clean(message))
    if kind != "skipped":
        problem.text = _clean(details)


def _element_of(item: Item, report: Report) -> str | None:
    if item.suppressed:
        return "skipped"
    match item.verdict:
        case Verdict.HOLDS | Verdict.WARNING:
            return None
        case Verdict.SKIPPED:
            return "skipped"
        case Verdict.VACUOUS:
            return "error" if report.each_must_answer else "skipped"
        case Verdict.UNKNOWN:
            return "error"
        case Verdict.VIOLATED:
            return "failure"


def _has_problem(suite: ElementTree.Element) -> bool:
    return suite.find("testcase/failure") is not None or suite.find("testcase/error") is not None


def _add_synthetic_case(suite: ElementTree.Element, report: Report) -> None:
    """A case for what no item stands for: refused, interrupted, dirty, nothing asked."""
    case = ElementTree.SubElement(
        suite, "testcase", classname=report.kind, name="the command itself"
    )
    lost = "; ".join(f"report lost: {lost}" for lost in report.reports_lost)
    message = report.context.get("refused") or lost or report.reason
    ElementTree.SubElement(case, "error", message=_clean(message))


def _clean(text: str) -> str:
    return _NOT_XML.sub("�", text)
