"""What a broker's answer to ApiVersions tells of its release, and what is none of its answers."""

from __future__ import annotations

import struct

import pytest

from bookpayctl.clients.kafka_hello import NotToldError, features_of, request
from bookpayctl.clients.kafka_versions import FIRST_LEVELS, release_of


def feature(name: str, oldest: int, newest: int) -> bytes:
    return bytes([len(name) + 1]) + name.encode() + struct.pack(">hh", oldest, newest) + b"\0"


def answer_of(*features: bytes, error: int = 0) -> bytes:
    """Two APIs, a throttle time, the epoch as tag 1, and the supported features as tag 0."""
    apis = bytes([3]) + (struct.pack(">hhh", 0, 0, 9) + b"\0") * 2
    supported = bytes([len(features) + 1]) + b"".join(features)
    epoch = bytes([1, 8]) + bytes(8)
    tags = bytes([2]) + bytes([0, len(supported)]) + supported + epoch
    return struct.pack(">ih", 1, error) + apis + struct.pack(">i", 0) + tags


def test_the_question_is_one_frame_of_api_versions() -> None:
    (size,) = struct.unpack_from(">i", request())

    assert size == len(request()) - 4
    assert struct.unpack_from(">hh", request(), 4) == (18, 3)


def test_the_newest_supported_level_of_each_feature_is_read() -> None:
    answer = answer_of(feature("group.version", 0, 1), feature("metadata.version", 7, 33))

    assert features_of(answer) == {"group.version": 1, "metadata.version": 33}


def test_an_answer_without_features_has_none() -> None:
    answer = struct.pack(">ih", 1, 0) + bytes([1]) + struct.pack(">i", 0) + bytes([0])

    assert features_of(answer) == {}


@pytest.mark.parametrize(
    ("level", "release"),
    [(21, (3, 9)), (22, (4, 0)), (25, (4, 0)), (26, (4, 1)), (33, (4, 4)), (90, (4, 5))],
)
def test_a_level_is_of_the_release_that_began_at_or_before_it(
    level: int, release: tuple[int, int]
) -> None:
    assert release_of({"metadata.version": level}) == release


def test_levels_and_releases_grow_together() -> None:
    levels, releases = zip(*FIRST_LEVELS, strict=True)

    assert sorted(set(levels)) == list(levels)
    assert sorted(set(releases)) == list(releases)


@pytest.mark.parametrize("features", [{}, {"group.version": 1}, {"metadata.version": 0}])
def test_a_broker_that_names_no_metadata_version_tells_no_release(features: dict[str, int]) -> None:
    with pytest.raises(NotToldError, match=r"metadata\.version"):
        release_of(features)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"HTTP/1.1 400 Bad Request",
        answer_of(feature("metadata.version", 7, 33))[:-12],
        answer_of(error=35),
    ],
)
def test_what_is_no_such_answer_tells_nothing(frame: bytes) -> None:
    with pytest.raises(NotToldError):
        features_of(frame)
