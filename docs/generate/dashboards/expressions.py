"""PromQL that the dashboards have in common.

What the reconcilers count in the ledger is the same at each of them: the maximum counts, never
the sum.
"""

from __future__ import annotations

from docs.generate.grafana import OURS


def rate(metric: str, by: str, *, of: str = OURS) -> str:
    return f"sum by ({by}) (rate({metric}{{{of}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", *, of: str = OURS) -> str:
    labels = ", ".join(("le", *filter(None, (by,))))
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, of=of)})"


def increase(metric: str, by: str, over: str, *, of: str = OURS) -> str:
    """How much a counter has grown, for each value of `by`; empty: in all."""
    return f"sum by ({by}) (increase({metric}{{{of}}}[{over}]))"


def counted(metric: str, by: str, *, of: str = "") -> str:
    """What each reconciler counts alike."""
    return f"max by ({by}) ({metric}{{{OURS}{of}}})"


def waiting(*what: str) -> str:
    chosen = f',what=~"{"|".join(what)}"'
    return counted("bookpay_waiting_items", "what", of=chosen)
