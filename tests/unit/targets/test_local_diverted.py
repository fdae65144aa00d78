"""A configuration is led through proxies and back as text, and nothing else of it changes."""

from __future__ import annotations

import pytest

from bookpayctl.targets.local.supervise.diverted import (
    Proxied,
    led_past,
    led_through,
    proxied_links,
)

BEFORE = """\
[supervisord]
nodaemon=false

[program:kafka]
command=java 127.0.0.1:2100

[program:worker-0]
command=env DB_DSN='postgresql://bookpay@127.0.0.1:2100/x' URL=http://127.0.0.1:21000 python

[program:notifier]
command=env DB_DSN='postgresql://bookpay@127.0.0.1:2100/x' python
"""

PROXIED = Proxied("worker-to-postgres", port=3100, to_port=2100, control_port=3101)

SECTION = """
[program:link-worker-to-postgres]
command=python proxy --forward=3100=127.0.0.1:2100 --host=127.0.0.1 --control-port=3101
"""


def test_only_the_callers_have_another_address_and_only_that_one() -> None:
    through = led_through(BEFORE, PROXIED, SECTION, {"worker-0"})

    changed = [
        line
        for old, line in zip(BEFORE.splitlines(), through.splitlines(), strict=False)
        if old != line
    ]
    assert changed == [
        (
            "command=env DB_DSN='postgresql://bookpay@127.0.0.1:3100/x' URL=http://127.0.0.1:21000"
            " python"
        )
    ]
    assert through.endswith(SECTION)
    assert proxied_links(through) == {"worker-to-postgres": PROXIED}


def test_it_is_led_back_from_what_stands_in_it() -> None:
    through = led_through(BEFORE, PROXIED, SECTION, {"worker-0", "notifier"})

    assert led_past(through, "worker-to-postgres") == BEFORE
    assert led_past(through, "another") == through
    assert led_past(BEFORE, "worker-to-postgres") == BEFORE
    assert proxied_links(BEFORE) == {}


def test_a_caller_that_does_not_call_it_is_an_error() -> None:
    elsewhere = Proxied("worker-to-postgres", port=3100, to_port=9999, control_port=3101)

    with pytest.raises(LookupError, match=r"worker-0 does not call 127\.0\.0\.1:9999"):
        led_through(BEFORE, elsewhere, SECTION, {"worker-0"})
