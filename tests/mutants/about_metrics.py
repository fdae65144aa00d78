"""Sabotages of what is measured, and of what wakes somebody."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

METRIC_MUTANTS: Final = (
    Mutant(
        "M210",
        "every path that a client makes up is a time series",
        (
            Replacement(
                "runtime/adapters/http/measured.py",
                "        return OTHER\n",
                '        return str(scope["path"])\n',
            ),
        ),
        (
            unit(
                "runtime/test_runtime_measured_http",
                "test_a_path_that_somebody_made_up_is_no_series",
            ),
        ),
        (
            unit(
                "runtime/test_runtime_measured_http",
                "test_each_answer_is_counted_by_its_template_and_status",
            ),
        ),
    ),
    Mutant(
        "M211",
        "a partition whose end nobody knows makes up for one that is behind",
        (
            Replacement(
                "runtime/adapters/kafka_progress.py",
                "        behind = 0 if position is None else max(0, end_of(place) - position)\n",
                "        behind = 0 if position is None else end_of(place) - position\n",
            ),
        ),
        (
            unit(
                "runtime/test_runtime_metrics",
                "test_a_lag_is_of_what_is_known_and_never_negative",
            ),
        ),
        (unit("runtime/test_runtime_metrics", "test_the_page_holds_metrics"),),
    ),
    Mutant(
        "M224",
        "a dashboard adds up what every reconciler counts alike",
        (
            Replacement(
                "docs/generate/dashboards/expressions.py",
                '    return f"max by ({by})',
                '    return f"sum by ({by})',
            ),
        ),
        (
            unit(
                "docs/test_dashboards",
                "test_what_each_reconciler_counts_alike_is_not_summed",
            ),
        ),
        (unit("docs/test_dashboards", "test_every_dashboard_has_an_address_of_its_own"),),
    ),
    Mutant(
        "M225",
        "a decline for another reason than v1's counts as parity",
        (
            Replacement(
                "runtime/domain/shadow.py",
                "(outcome, code) == (v1.outcome, v1.code)",
                "outcome == v1.outcome",
            ),
        ),
        (
            unit(
                "runtime/test_shadow_parity",
                "test_parity_is_of_ends_and_of_their_reasons",
            ),
        ),
        (unit("runtime/test_runtime_metrics", "test_the_page_holds_metrics"),),
    ),
    Mutant(
        "M279",
        "a field of a dashboard is called as Grafana calls none, and Grafana leaves it out",
        (
            Replacement(
                "docs/generate/grafana.py",
                '        "graphTooltip": 1,\n',
                '        "graphToolTip": 1,\n',
            ),
        ),
        (
            unit(
                "docs/test_dashboards_in_grafana",
                "test_no_field_of_ours_is_one_that_grafana_does_not_know[outbox]",
            ),
        ),
        (unit("docs/test_dashboards", "test_every_dashboard_has_an_address_of_its_own"),),
    ),
)
