"""The list of materials: what came in, with hashes, and nothing of the run that wrote it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bookpayctl.image.description import ImageOrigin
from bookpayctl.image.jars import jar_material
from bookpayctl.image.materials import Material
from bookpayctl.image.sbom import written_sbom
from bookpayctl.image.wheels import materials_of

ORIGIN = ImageOrigin("1.2.3", "c0ffee")
MATERIALS = [
    Material("pypi", "", "ant", "1.0", "ant-1.0-py3-none-any.whl", "a" * 64),
    Material("maven", "org.example", "bee", "2.0", "bee-2.0.jar", "b" * 64),
    Material("maven", "", "cow", "3.0", "cow-3.0.jar", "c" * 64),
]


# The library still uses a name that its validator has given up.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_list_is_cyclonedx() -> None:
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(
        written_sbom(ORIGIN, "python:slim", MATERIALS)
    )

    assert problem is None


def test_each_material_is_there_with_its_address_and_hash() -> None:
    told = json.loads(written_sbom(ORIGIN, "python:slim sha256:1", MATERIALS))

    found = {
        one["purl"]: (one["version"], one["hashes"][0]["content"]) for one in told["components"]
    }
    assert found == {
        "pkg:pypi/ant@1.0": ("1.0", "a" * 64),
        "pkg:maven/org.example/bee@2.0": ("2.0", "b" * 64),
        "pkg:generic/cow@3.0": ("3.0", "c" * 64),
    }
    whole = told["metadata"]["component"]
    assert (whole["name"], whole["version"], whole["type"]) == ("bookpay", "1.2.3", "container")
    assert {"name": "bookpay:base", "value": "python:slim sha256:1"} in whole["properties"]


def test_the_same_materials_are_the_same_bytes() -> None:
    one, two = (written_sbom(ORIGIN, "python:slim", MATERIALS) for _ in range(2))

    assert one == two
    assert written_sbom(ORIGIN, "python:slim", MATERIALS[:2]) != one


@pytest.mark.parametrize(
    ("file", "inside", "expected"),
    [
        ("bee-2.0.jar", ["META-INF/maven/org.example/bee/pom.properties"], "org.example"),
        # One that holds others is not theirs.
        ("bee-2.0.jar", ["META-INF/maven/org.example/wasp/pom.properties"], ""),
        ("bee-2.0.jar", [], ""),
    ],
)
def test_a_jar_tells_its_group_or_has_none(
    tmp_path: Path, file: str, inside: list[str], expected: str
) -> None:
    with zipfile.ZipFile(tmp_path / file, "w") as jar:
        for name in (*inside, "x.class"):
            jar.writestr(name, "")

    found = jar_material(tmp_path / file, "b" * 64)

    assert (found.name, found.version, found.group) == ("bee", "2.0", expected)


@pytest.mark.parametrize(
    "archive_info",
    [
        {"hashes": {"sha256": "a" * 64}, "hash": "sha256=" + "a" * 64},
        {"hash": "sha256=" + "a" * 64},
    ],
    ids=["pip 23.1 and later", "pip 23.0, of a Debian"],
)
def test_the_report_of_any_pip_that_can_build_is_read(archive_info: dict[str, object]) -> None:
    item = {
        "metadata": {"name": "Ant", "version": "1.0"},
        "download_info": {"url": "file:///ant-1.0-py3-none-any.whl", "archive_info": archive_info},
    }

    assert materials_of({"version": "1", "install": [item]}) == (MATERIALS[0],)
