"""What every document that this tool prints or keeps says of itself."""

from __future__ import annotations

from typing import Final

API_VERSION: Final = "bookpay/v1"
