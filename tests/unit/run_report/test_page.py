"""The page of a run: whole, of itself alone, and with nothing in it that acts."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bookpayctl.report.verdict import Verdict
from bookpayctl.run_report.page import html_page
from bookpayctl.run_report.recorded import recorded_report
from bookpayctl.run_report.view import RunView, view_of
from tests.support import judged_shop as shop
from tests.support.recorded_run import recorded
from tests.support.run_views import course_with, view_with
from tests.support.sample_reports import ITEMS, report_of

VOID = frozenset({"meta", "br", "hr"})
ROOT = Path(__file__).parents[3]
SVG_NAMESPACE = "http://www.w3.org/2000/svg"

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "</style></title></svg><script>alert(1)</script>",
    '" onmouseover="alert(1)" style=\'x\' x="',
    "&lt;b&gt; &#0; &notanentity; <!-- ]]>",
    "\u202eevil\u2066\u200f \x00\x1b[2J\x7f",
    "javascript:alert(1) https://evil.example/x.js url(//evil.example)",
)


class Page(HTMLParser):
    """What a browser makes of it: each element closed where it was opened, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.problems: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        self.problems += [f"{tag} is never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.problems.append(f"{tag} has an attribute twice")
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"{tag} is closed where it was not opened")

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open:
            self.texts.append((self.open[-1], data))


def wrong_with(text: str) -> list[str]:
    """Whatever a page must not have: broken markup, something that acts, something from outside."""
    page = Page(text)
    problems = list(page.problems)
    for tag, attributes in page.elements:
        if tag in ("script", "img", "iframe", "object", "embed", "link", "base", "form", "foreign"):
            problems.append(f"a {tag}")
        for name, value in attributes.items():
            if name.startswith("on") or name in ("src", "style", "srcset", "action", "data"):
                problems.append(f"{tag} has {name}")
            if name == "href" and not (value or "").startswith("#answer-"):
                problems.append(f"a link to {value}")
    return problems


def drawings(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314 - ours


@pytest.fixture(scope="module")
def violated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an audit that found a paid order without its charge."""
    folder = tmp_path_factory.mktemp("runs")
    return recorded(folder, shop.with_stripe(charges=shop.STRIPE.charges[1:])).path


def page_of(folder: Path) -> str:
    return html_page(view_of(recorded_report(folder), folder))


def test_a_page_is_whole_and_of_itself_alone(violated: Path) -> None:
    text = page_of(violated)

    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert wrong_with(text) == []
    assert re.findall(r"(?:https?:)?//[^\s\"'<]+", text) == [SVG_NAMESPACE] * 2
    assert "@import" not in text
    assert "url(" not in text


def test_every_drawing_is_well_formed_and_says_what_it_shows() -> None:
    found = drawings(html_page(view_with("plain")))

    assert len(found) == 3
    for drawing in found:
        assert drawing.get("role") == "img"
        title = drawing.find(f"{{{SVG_NAMESPACE}}}title")
        assert title is not None
        assert title.text


def test_a_page_forbids_itself_to_load_or_run_anything(violated: Path) -> None:
    text = page_of(violated)

    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [
        attributes["content"]
        for tag, attributes in Page(text).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_system_said_is_text_wherever_it_stands(hostile: str) -> None:
    text = html_page(view_with(hostile))
    plain = html_page(view_with("plain"))

    assert wrong_with(text) == []
    assert [tag for tag, _ in Page(text).elements] == [tag for tag, _ in Page(plain).elements]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert len(drawings(text)) == 3


def test_the_verdict_stands_first(violated: Path) -> None:
    body = [data for tag, data in Page(page_of(violated)).texts if tag not in ("style", "title")]

    assert body[0] == "✗ violated"
    assert "exit 1 (violated)" in " ".join(body[:5])


@pytest.mark.parametrize("name", ITEMS)
def test_a_page_never_looks_better_than_the_verdict(name: str) -> None:
    view = RunView(report_of(name))

    body = [data for tag, data in Page(html_page(view)).texts if tag not in ("style", "title")]

    assert body[0].split()[1] == view.report.verdict.value


def test_every_answer_is_there_with_what_it_examined_and_its_evidence(violated: Path) -> None:
    report = recorded_report(violated)

    text = " ".join(data for _, data in Page(page_of(violated)).texts)

    assert [item.id for item in report.items if item.id not in text] == []
    assert text.count("examined") >= len(report.items)
    wrong = [item for item in report.items if item.verdict is Verdict.VIOLATED]
    assert wrong
    assert [line for item in wrong for line in item.evidence if line not in text] == []


def test_an_offenders_timeline_is_told_across_the_three_ledgers(violated: Path) -> None:
    timelines = view_of(recorded_report(violated), violated).timelines

    (timeline,) = timelines.told
    assert (timeline.order_id, timelines.offenders) == ("ord_paid", ("ord_paid",))
    assert timeline.named_by == ("I11", "I30")
    assert {line.ledger for line in timeline.lines} == {"PostgreSQL", "Kafka", "Stripe"}
    said = {line.what for line in timeline.lines}
    assert {"order placed", "order pending to paid", "OrderPlaced in orders.placed"} <= said
    assert {"PaymentIntent succeeded", "call: charge"} <= said
    assert "charge succeeded" not in said
    assert "49.99 usd, now paid" in {line.detail for line in timeline.lines}


def test_a_run_without_anything_wrong_has_no_offenders(tmp_path: Path) -> None:
    run = recorded(tmp_path, shop.healthy())

    view = view_of(recorded_report(run.path), run.path)

    assert (view.missing, view.timelines.told) == ((), ())
    assert view.course is not None
    assert view.course.orders == 3


def test_what_cannot_be_read_is_missing_with_a_reason_and_the_answers_stay(tmp_path: Path) -> None:
    run = recorded(tmp_path, shop.healthy())
    report = recorded_report(run.path)
    (run.path / "ledgers" / "orders.parquet").write_bytes(b"no Parquet")

    view = view_of(report, run.path)

    assert view.course is None
    assert "cannot be read" in view.missing[0]
    assert "nobody was charged twice" in html_page(view)


def test_a_report_of_no_run_is_a_page_of_its_answers() -> None:
    text = html_page(view_of(report_of(*ITEMS), None))

    assert wrong_with(text) == []
    assert "no folder of a run" in text


def test_a_window_without_an_end_of_any_order_says_so() -> None:
    course = course_with("plain")
    view = replace(
        view_with("plain"), course=replace(course, latencies=(None,) * course.window.bins)
    )

    assert "No order of this time has a known end." in html_page(view)


def test_what_a_page_is_made_of_comes_with_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = set(settings["package-data"]["bookpayctl"])

    parts = {path.suffix for path in (ROOT / "bookpayctl" / "run_report").iterdir()} - {".py", ""}

    assert parts == {".css", ".sql"}
    assert {f"run_report/*{suffix}" for suffix in parts} <= shipped
