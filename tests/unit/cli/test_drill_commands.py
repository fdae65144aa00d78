"""The catalogue names every drill there is, and each has a command of its own."""

from __future__ import annotations

import pkgutil

import pytest
import typer

from bookpayctl import drills
from bookpayctl.cli.commands import drill as command
from bookpayctl.drill.scenario import Drill
from bookpayctl.drills import load_drill
from bookpayctl.drills.catalogue import CATALOGUE, Area, Entry


def test_every_module_of_a_drill_is_in_the_catalogue() -> None:
    modules = {found.name for found in pkgutil.iter_modules(drills.__path__) if not found.ispkg}

    assert modules - {"catalogue"} == {entry.module.rpartition(".")[2] for entry in CATALOGUE}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.slug)
def test_a_line_of_the_catalogue_leads_to_its_drill(entry: Entry) -> None:
    drill = load_drill(entry)

    assert isinstance(drill, Drill)
    assert drill.points, "a drill strikes somewhere"


def test_a_line_that_leads_to_another_drill_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Entry, "module", property(lambda _: "bookpayctl.drills.outage"))

    with pytest.raises(LookupError, match=r"'outage'.*'kill-storm'"):
        load_drill(Entry("kill-storm", (Area.WORKER,), "anything"))


def test_drills_are_listed_by_what_they_hit() -> None:
    first = [list(Area).index(entry.hits[0]) for entry in CATALOGUE]

    assert first == sorted(first)
    assert all(len(set(entry.hits)) == len(entry.hits) for entry in CATALOGUE)


def test_every_drill_has_a_command_of_its_own() -> None:
    app = typer.Typer()

    command.register(app)

    group = app.registered_groups[0].typer_instance
    assert group is not None
    names = {found.name for found in group.registered_commands}
    assert names == {"list", "run", *(entry.slug for entry in CATALOGUE)}
