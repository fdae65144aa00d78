"""Links lead somewhere, and every command on a page is one that can be typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from bookpayctl.cli.app import build_app
from docs.generate.pages import ROOT, pages
from tests.support.command_tree import command_words, not_typed

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def without_fences(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def links() -> Iterator[tuple[Path, str]]:
    for page in pages():
        for target in LINK.findall(without_fences(page)):
            if "://" not in target:
                yield page, target


def commands() -> Iterator[tuple[str, str]]:
    """Every command in a console block or in code style, with its page."""
    for page in pages():
        name = str(page.relative_to(ROOT))
        if name in ("CHANGELOG.md", "STYLE.md") or name.startswith("decisions/"):
            continue  # They speak of what was, and of names as such.
        text = page.read_text()
        for _, block in FENCE.findall(text):
            for line in block.splitlines():
                if line.startswith("$ "):
                    yield name, line[2:].split("  #")[0].strip()
        for code in INLINE.findall(FENCE.sub("", text)):
            yield name, code


def test_every_link_to_a_file_leads_to_one() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page, target in links()
        if not (page.parent / target.split("#")[0]).exists()
    ]

    assert broken == []


def test_every_link_to_a_heading_leads_to_one() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page, target in links()
        if "#" in target
        and target.split("#")[1]
        not in {
            slug(heading)
            for heading in HEADING.findall(
                without_fences(page.parent / target.split("#")[0] if target[0] != "#" else page)
            )
        }
    ]

    assert broken == []


def test_every_command_of_bookpayctl_on_a_page_exists() -> None:
    group = typer.main.get_command(build_app())
    tried = [
        (page, words[1:])
        for page, command in commands()
        if (words := command_words(command)) and words[0] == "bookpayctl"
    ]

    wrong = [
        f"{page}: {' '.join(words)}: {why}"
        for page, words in tried
        if (why := not_typed(group, words))
    ]

    assert len(tried) > 20, "too few commands were found for this to mean anything"
    assert wrong == []


def test_every_test_file_and_test_name_of_a_command_exists() -> None:
    wrong = [
        f"{page}: {command}"
        for page, command in commands()
        for path in re.findall(r"\btests/[\w/]+(?:\.py)?", command)
        if command.startswith((".venv", "pytest", "nox")) and not (ROOT / path).exists()
    ]

    assert wrong == []


def test_every_file_that_a_page_names_exists() -> None:
    roots = [ROOT, *(ROOT / name for name in ("runtime", "runtime/services", "bookpayctl"))]
    named = {
        (page, name)
        for page, text in commands()
        for name in re.findall(r"(?<![\w/.<])(?:\w+/)+\w+\.(?:py|sql|md|json|toml)\b", text)
        if "NNNN" not in name
    }

    missing = [
        f"{page}: {name}"
        for page, name in sorted(named)
        if not any((root / name).exists() for root in roots)
    ]

    assert len(named) > 20, "too few files were found for this to mean anything"
    assert missing == []


def test_every_target_of_make_on_a_page_exists() -> None:
    there = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    wanted = {m[1] for _, command in commands() if (m := re.match(r"make ([a-z]+)", command))}

    assert {"demo", "test"} <= wanted
    assert sorted(wanted - there) == []


def test_every_session_of_nox_on_a_page_exists() -> None:
    there = set(re.findall(r"^def ([a-z_]+)\(session", (ROOT / "noxfile.py").read_text(), re.M))

    wanted = {m[1] for _, command in commands() if (m := re.search(r"nox -s ([a-z_]+)", command))}

    assert sorted(wanted - there) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_one_title_and_its_fences_are_closed(page: Path) -> None:
    text = page.read_text()

    assert len(re.findall(r"^# ", without_fences(page), re.MULTILINE)) == 1
    assert text.count("\n```") % 2 == 0


def test_no_line_of_a_picture_is_cut_in_two_by_a_semicolon() -> None:
    pictures = [
        (str(page.relative_to(ROOT)), block)
        for page in pages()
        for language, block in FENCE.findall(page.read_text())
        if language == "mermaid"
    ]

    assert len(pictures) > 4, "too few pictures were found for this to mean anything"
    assert [page for page, block in pictures if ";" in block] == []


def test_every_page_can_be_found_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for target in LINK.findall(without_fences(page)):
            found = (page.parent / target.split("#")[0]).resolve()
            if found.is_dir():
                found = found / "README.md"
            if found.suffix == ".md" and found.exists() and found not in reached:
                waiting.append(found)

    assert sorted(str(page.relative_to(ROOT)) for page in set(pages()) - reached) == []
