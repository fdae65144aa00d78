"""A mail that was not taken is not told: it is sent when the mail server is back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.processes import ServiceProcess, free_port
from tests.support.stack import Shop
from tests.support.waiting import eventually


@pytest.fixture
def cut_off(shop: Shop) -> Iterator[ServiceProcess]:
    """The notifier with an address where no mail server listens; as usual afterwards."""
    notifier = shop.stack["notifier"]
    usual = notifier.variables
    notifier.stop()
    notifier.variables = {**usual, "SMTP_PORT": str(free_port())}
    notifier.start().wait_ready()
    yield notifier
    notifier.stop()
    notifier.variables = usual
    notifier.start().wait_ready()


def test_a_mail_that_nobody_took_stays_untold_and_is_sent_later(
    shop: Shop, cut_off: ServiceProcess
) -> None:
    usual_port = str(shop.stack.services["worker-0"].variables["SMTP_PORT"])
    order_id, _ = shop.place()
    shop.wait_status(order_id, "paid")
    while_away = eventually(
        lambda: shop.database.rows(
            "SELECT sent_at FROM notifications WHERE order_id = %s", order_id
        ),
        "the notifier has tried",
    )

    cut_off.stop()
    cut_off.variables = {**cut_off.variables, "SMTP_PORT": usual_port}
    cut_off.start().wait_ready()

    assert while_away == [(None,)]
    mails = eventually(lambda: shop.stack.mail.about(order_id), "the mail is sent")
    assert [mail["Subject"] for mail in mails] == ["Your order is paid"]
