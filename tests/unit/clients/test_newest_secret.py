"""While a signing secret is rotated, whoever signs for the tool takes the newest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bookpayctl.checks import webhook_signature
from bookpayctl.forgery.forge import signing_secret
from tests.support.documents import ENVIRONMENT


@pytest.mark.parametrize("text", ["new\n", "new\nold\n", "new,old\n"])
def test_the_newest_of_several_signing_secrets_is_taken(tmp_path: Path, text: str) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "stripe-webhook-secret").write_text(text)

    assert signing_secret(replace(ENVIRONMENT, root=tmp_path)) == "new"


def test_the_check_of_signatures_takes_it_there() -> None:
    assert vars(webhook_signature)["signing_secret"] is signing_secret
