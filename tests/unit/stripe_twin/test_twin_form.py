"""Decoding of nested forms, and the checks before a request may claim its key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookpayctl.stripe_twin.api.parameters import (
    ARRAY,
    FLAG,
    HASH,
    INTEGER,
    NEEDED_INTEGER,
    TEXT,
    check,
    choice,
)
from bookpayctl.stripe_twin.errors import ApiError
from bookpayctl.stripe_twin.form import decode_form, items


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", {}),
        ("amount=1&currency=usd", {"amount": "1", "currency": "usd"}),
        ("a[b]=1", {"a": {"b": "1"}}),
        ("a[b][0]=1&a[b][1]=2", {"a": {"b": {"0": "1", "1": "2"}}}),
        ("a[]=1&a[]=2", {"a": {"0": "1", "1": "2"}}),
        ("a%5Bb%5D=x%20y", {"a": {"b": "x y"}}),
        ("a=", {"a": ""}),
        ("metadata[1]=x", {"metadata": {"1": "x"}}),
    ],
)
def test_nested_names_become_a_tree(text: str, tree: dict[str, object]) -> None:
    assert decode_form(text) == tree


@pytest.mark.parametrize("text", ["a[b=1", "[a]=1", "a[b]]=1", "a=1&a[b]=2", "a[b]c=1"])
def test_a_malformed_name_is_refused(text: str) -> None:
    with pytest.raises(ApiError):
        decode_form(text)


def test_depth_and_number_are_limited() -> None:
    with pytest.raises(ApiError):
        decode_form("a" + "[b]" * 9 + "=1")
    with pytest.raises(ApiError):
        decode_form("&".join(f"a{i}=1" for i in range(2001)))


@given(st.text(max_size=200))
def test_no_text_breaks_the_decoder(text: str) -> None:
    refused = None
    try:
        decode_form(text)
    except ApiError as error:
        refused = error

    assert refused is None or refused.status == 400


def test_array_elements_come_in_the_order_of_their_indices() -> None:
    tree = decode_form("a[10]=k&a[2]=c&a[0]=a")

    assert items(tree["a"]) == ["a", "c", "k"]


@pytest.mark.parametrize(
    ("text", "code", "param"),
    [
        ("", "parameter_missing", "amount"),
        ("amount=", "parameter_missing", "amount"),
        ("amount=1.5", "parameter_invalid_integer", "amount"),
        ("amount=%D9%A1", "parameter_invalid_integer", "amount"),
        ("amount=1&colour=red", "parameter_unknown", "colour"),
        ("amount=1&confirm=yes", None, "confirm"),
        ("amount=1&types=card", None, "types"),
        ("amount=1&shape[x]=1&name[x]=1", None, "name"),
        ("amount=1&capture=later", None, "capture"),
        ("amount=1&metadata[k][x]=1", None, "metadata[k]"),
    ],
)
def test_what_a_route_does_not_accept_is_refused(text: str, code: str | None, param: str) -> None:
    accepts = {
        "amount": NEEDED_INTEGER,
        "confirm": FLAG,
        "types": ARRAY,
        "shape": HASH,
        "name": TEXT,
        "limit": INTEGER,
        "capture": choice("automatic", "manual"),
        "metadata": HASH,
    }

    with pytest.raises(ApiError) as caught:
        check(decode_form(text), accepts)

    assert caught.value.status == 400
    assert caught.value.code == code
    assert caught.value.error["param"] == param
