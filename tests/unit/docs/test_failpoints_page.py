"""docs/failpoints.md: every point, where the code comes by it, and what cannot apply there."""

from __future__ import annotations

from docs.generate import failpoints
from runtime.__main__ import MODULES
from runtime.faults.names import INAPPLICABLE, Action, Failpoint
from runtime.faults.places import ACTIONS, FROZEN, PLACES


def rows() -> list[list[str]]:
    """The cells of each row of the table, without its head."""
    lines = failpoints.table_of_points().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_lists_every_failpoint_in_order() -> None:
    numbers = range(1, len(Failpoint) + 1)

    assert [row[0] for row in rows()] == [f"F{number:02}" for number in numbers]
    assert [row[1].strip("`") for row in rows()] == [point.value for point in Failpoint]


def test_every_failpoint_is_hit_in_one_place_but_for_the_twins() -> None:
    counts = {point: len(places) for point, places in failpoints.hits().items()}

    assert counts == {point: 0 if PLACES[point].service is None else 1 for point in Failpoint}


def test_only_the_loss_of_stripes_answer_is_the_twins() -> None:
    twins = [point for point in Failpoint if PLACES[point].service is None]

    assert twins == [Failpoint.PSP_EXECUTED_RESPONSE_LOST]


def test_the_page_gives_the_reason_of_every_cell_that_cannot_apply() -> None:
    told = {
        (row[1].strip("`"), Action.EXECTIMEOUT): row[6].removeprefix("n/a: ")
        for row in rows()
        if row[6].startswith("n/a")
    }

    assert told == {(point.value, action): why for (point, action), why in INAPPLICABLE.items()}


def test_what_a_time_out_means_is_said_exactly_where_it_can_happen() -> None:
    said = {point for point, place in PLACES.items() if place.timed_out}

    assert said == {point for point in Failpoint if (point, Action.EXECTIMEOUT) not in INAPPLICABLE}


def test_every_point_and_every_action_has_its_words() -> None:
    assert list(PLACES) == list(Failpoint)
    assert list(FROZEN) == list(Failpoint)
    assert list(ACTIONS) == list(Action)


def test_a_point_hit_in_a_services_folder_belongs_to_that_service() -> None:
    folders = {module.split(".")[2]: service for (service, _), module in MODULES.items()}
    by_folder = {
        point: folders[place.split("/")[1]]
        for point, places in failpoints.hits().items()
        for place in places
        if place.startswith("services/")
    }

    assert len(by_folder) > 20, "too few points were found for this to mean anything"
    assert {point: PLACES[point].service for point in by_folder} == by_folder


def test_the_place_of_a_point_is_the_function_that_hits_it() -> None:
    row = next(row for row in rows() if row[1] == "`receiver.responded`")

    assert row[2:4] == [
        "payments-webhook-receiver",
        "services/webhook_receiver/service.py, `receive`",
    ]
