"""How far our own outcomes are v1's, before we charge in its place."""

from __future__ import annotations

from typing import Final

from docs.generate.dashboards.expressions import increase, quantile, rate
from docs.generate.grafana import OURS, Dashboard, Panel, Query

_CHARGES: Final = f'{OURS},route="/charge"'


def _answers(parity: str) -> str:
    of = f'{OURS},parity=~"{parity}"'
    return increase("bookpay_shadow_answers_total", "", "$__range", of=of)


SHADOW: Final = Dashboard(
    "bookpay-shadow",
    "bookpay / shadow parity",
    "A week of shadow, before we charge in v1's place: the cut-over waits for 100 %.",
    {
        "Parity": (
            Panel(
                "Parity",
                "percentunit",
                "Of the answers in this range for which both sides had an end, how many agree. "
                "The last word is `bookpayctl shadow report`.",
                "shadow-cutover",
                (
                    Query(
                        f'sum(increase(bookpay_shadow_answers_total{{{OURS},parity="agreed"}}[$__range]))'
                        f" / "
                        f'sum(increase(bookpay_shadow_answers_total{{{OURS},parity=~"agreed|differed"}}[$__range]))',
                        "agreed",
                    ),
                ),
                8,
                stat=True,
            ),
            Panel(
                "Differences",
                "short",
                "Answers in this range where v1 and we did not come to the same. One is enough "
                "to stay in shadow mode.",
                "shadow-cutover",
                (
                    Query(
                        f"{_answers('differed')} or vector(0)",
                        "differed",
                    ),
                ),
                8,
                1,
                stat=True,
            ),
            Panel(
                "Compared",
                "short",
                "Answers in this range that were compared. None proves nothing.",
                "shadow-cutover",
                (
                    Query(
                        f"{_answers('agreed|differed')} or vector(0)",
                        "compared",
                    ),
                ),
                8,
                stat=True,
            ),
            Panel(
                "Answers by parity",
                "reqps",
                "Charges a second that were answered with v1's outcome. Unresolved: our own call "
                "had no end yet.",
                "shadow-cutover",
                (Query(rate("bookpay_shadow_answers_total", "parity"), "{{parity}}"),),
            ),
            Panel(
                "Waiting for v1",
                "reqps",
                "Charges a second that wait because v1's outcome is not known (409). Import it.",
                "shadow-cutover",
                (
                    Query(
                        rate(
                            "bookpay_http_requests_total",
                            "status",
                            of=f'{_CHARGES},status="409"',
                        ),
                        "{{status}}",
                    ),
                ),
            ),
        ),
        "Our own calls": (
            Panel(
                "Time of a charge at our gateway",
                "s",
                "What a customer would wait for once we count.",
                "shadow-cutover",
                (
                    Query(
                        quantile(0.5, "bookpay_http_request_seconds", of=_CHARGES),
                        "p50",
                    ),
                    Query(
                        quantile(0.99, "bookpay_http_request_seconds", of=_CHARGES),
                        "p99",
                    ),
                ),
                24,
            ),
        ),
    },
)
