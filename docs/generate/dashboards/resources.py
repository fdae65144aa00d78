"""Use, saturation and errors of what a process has a limited number of."""

from __future__ import annotations

from typing import Final

from docs.generate.dashboards.expressions import rate
from docs.generate.grafana import OURS, Dashboard, Panel, Query

RESOURCES: Final = Dashboard(
    "bookpay-resources",
    "bookpay / pools and threads",
    "Use, saturation and errors of what a process has a limited number of.",
    {
        "Use": (
            Panel(
                "Connections to PostgreSQL in use",
                "percentunit",
                "Share of a process's open connections that work. Near 1, look at who waits.",
                "answers-of-5xx",
                (
                    Query(
                        f'sum by (app, pod) (bookpay_pool_connections{{{OURS},state="busy"}})'
                        f" / sum by (app, pod) (bookpay_pool_connections{{{OURS}}})",
                        "{{pod}}",
                    ),
                ),
                8,
                0.9,
            ),
            Panel(
                "Threads at work",
                "short",
                "Threads that work on requests. Orders and the receiver have 32, the gateway 256.",
                "answers-of-5xx",
                (Query(f"sum by (app, pod) (bookpay_http_threads_busy{{{OURS}}})", "{{pod}}"),),
                8,
            ),
            Panel(
                "Attempts in flight",
                "short",
                "Of 64 a worker. All of them taken and payments waiting: Stripe is slow.",
                "stripe-down",
                (Query(f"sum by (pod) (bookpay_payment_attempts_in_flight{{{OURS}}})", "{{pod}}"),),
                8,
                64,
            ),
            Panel(
                "Processor",
                "short",
                "Cores that each process takes. Python takes one at most.",
                "answers-of-5xx",
                (Query(rate("process_cpu_seconds_total", "pod"), "{{pod}}"),),
                red_from=0.9,
            ),
            Panel(
                "Memory",
                "bytes",
                "Resident memory of each process.",
                "upgrade",
                (Query(f"sum by (pod) (process_resident_memory_bytes{{{OURS}}})", "{{pod}}"),),
            ),
        ),
        "Saturation": (
            Panel(
                "Callers that wait for a connection",
                "short",
                "More than a few for more than a moment: PostgreSQL is slow, or away.",
                "answers-of-5xx",
                (Query(f"sum by (app, pod) (bookpay_pool_waiting{{{OURS}}})", "{{pod}}"),),
                red_from=16,
            ),
            Panel(
                "Files and sockets",
                "percentunit",
                "Share of the file descriptors that a process may open.",
                "answers-of-5xx",
                (
                    Query(
                        f"max by (pod) (process_open_fds{{{OURS}}} / process_max_fds{{{OURS}}})",
                        "{{pod}}",
                    ),
                ),
                red_from=0.8,
            ),
        ),
        "Errors": (
            Panel(
                "Starts",
                "short",
                "Starts of processes in the hour before. More than a rollout's: something ends "
                "them.",
                "crash-mid-charge",
                (
                    Query(
                        f"sum by (app) (changes(process_start_time_seconds{{{OURS}}}[1h]))",
                        "{{app}}",
                    ),
                ),
            ),
            Panel(
                "Spans that were lost",
                "short",
                "A second, by why: traces have holes. No payment waits for a collector.",
                "answers-of-5xx",
                (
                    Query(
                        rate(
                            "bookpay_trace_spans_total", "result", of=f'{OURS},result!="exported"'
                        ),
                        "{{result}}",
                    ),
                ),
            ),
        ),
    },
)
