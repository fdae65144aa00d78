"""What other people's CI includes: valid, pinned, and typing commands that there are."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from bookpayctl.certify.profiles import PROFILES
from bookpayctl.cli.app import build_command
from tests.support.command_tree import command_words, not_typed

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "tests" / "support" / "ci_schemas"
ACTION, WORKFLOW, GITLAB = "action.yml", ".github/workflows/certify.yml", ".gitlab/certify.yml"
RELEASE = ".github/workflows/release.yml"
KINDS = {
    ACTION: "github-actions",
    WORKFLOW: "github-workflows",
    RELEASE: "github-workflows",
    GITLAB: "gitlab-ci",
}
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def documents(name: str) -> list[Any]:
    # `on` is no truth here: the loader of YAML 1.1 would take it for one.
    found = list(yaml.load_all((ROOT / name).read_text(), yaml.CSafeLoader))
    return [{("on" if key is True else key): value for key, value in one.items()} for one in found]


def problems(name: str, document: Any) -> list[str]:
    with gzip.open(SCHEMAS / f"{KINDS[name]}.json.gz") as file:
        validator = jsonschema_rs.validator_for(json.loads(file.read()))
    return [error.message for error in validator.iter_errors(document)]


def lines(name: str) -> Iterator[str]:
    """Command lines, with those that go on put together."""
    yield from re.sub(r"\\?\n\s+(?=--)", " ", (ROOT / name).read_text()).splitlines()


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_what_its_schema_says(name: str) -> None:
    assert [why for one in documents(name) for why in problems(name, one)] == []


@pytest.mark.parametrize(
    ("name", "key", "wrong"),
    [
        (ACTION, "runs", {"using": "magic"}),
        (WORKFLOW, "jobs", []),
        (RELEASE, "on", {"tag": "v1"}),
        (GITLAB, "certify", {"x": 1}),
    ],
)
def test_a_file_that_is_wrong_is_refused(name: str, key: str, wrong: object) -> None:
    document = {**documents(name)[-1], key: wrong}

    assert problems(name, document) != []


def test_every_action_of_others_is_pinned_by_its_commit() -> None:
    files = (ACTION, WORKFLOW, RELEASE)
    used = [line.strip() for name in files for line in lines(name) if "uses:" in line]
    others = [line for line in used if not line.startswith("#") and "uses: ./" not in line]

    assert len(others) == 6
    assert [line for line in others if not PINNED.search(line)] == []


def test_a_workflow_may_read_and_nothing_else() -> None:
    (workflow,) = documents(WORKFLOW)

    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())


def test_what_may_write_a_release_runs_nothing_of_the_repository() -> None:
    (workflow,) = documents(RELEASE)
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]

    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in build
    assert publish["permissions"] == {
        "contents": "write",
        "id-token": "write",
        "attestations": "write",
    }
    assert (publish["needs"], publish["if"]) == ("build", "github.ref_type == 'tag'")
    assert not any("checkout" in step.get("uses", "") for step in publish["steps"])
    assert not re.search(r"bookpayctl|pip|python", "".join(map(str, publish["steps"])))


def test_a_release_is_tried_before_it_is_one_and_what_is_told_of_is_what_was_built() -> None:
    (workflow,) = documents(RELEASE)
    names = [step.get("name", step.get("uses")) for step in workflow["jobs"]["build"]["steps"]]
    scripts = "".join(step.get("run", "") for step in workflow["jobs"]["build"]["steps"])

    assert names.index("Try the wheel where there is no checkout") < names.index("Sums")
    assert "sha256sum -- *" in scripts
    attested = [
        step["with"] for step in workflow["jobs"]["publish"]["steps"] if "attest" in str(step)
    ]
    assert {"subject-checksums": "dist/SHA256SUMS"} in attested


def test_no_input_becomes_a_part_of_a_script() -> None:
    steps = documents(ACTION)[0]["runs"]["steps"]
    jobs = documents(RELEASE)[0]["jobs"].values()
    released = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    scripts = [step["run"] for step in steps] + documents(GITLAB)[1]["certify"]["script"] + released

    assert len(scripts) > 10
    assert [script for script in scripts if "${{" in script or "$[[" in script] == []


def test_every_command_of_bookpayctl_exists_with_its_options() -> None:
    typed = [
        found[1].replace('"${options[@]}"', "")
        for name in (ACTION, GITLAB, RELEASE)
        for line in lines(name)
        if (found := re.search(r'bin/(bookpayctl"? .*?)\)?"?$', line))
    ]
    words = [command_words(line.replace('bookpayctl"', "bookpayctl")) for line in typed]

    assert len(words) == 9
    assert [one for one in words if not_typed(build_command(), one[1:])] == []


def test_the_profiles_that_are_offered_are_those_that_there_are() -> None:
    (inputs, _) = documents(GITLAB)

    offered = inputs["spec"]["inputs"]["profile"]["options"]

    assert offered == [profile.name for profile in PROFILES]
