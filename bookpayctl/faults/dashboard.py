"""A fault of the account: a colleague gives money back in the dashboard, and tells nobody.

Nothing can be taken back, and nothing needs to be: whoever follows Stripe finds the refund.
"""

from __future__ import annotations

from collections.abc import Sequence

from bookpayctl.clients.stripe_dashboard import DashboardError, StripeDashboard
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.judge.readers.stripe import StripeReader
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.targets.target import Target


class RefundedByOthers(Fault):
    """Refunds of PaymentIntents, each under a key that is none of ours.

    Attributes:
        refunds: id of each refund -> PaymentIntent, once they are made.
    """

    def __init__(self, target: Target, run: Run, *, prefix: str) -> None:
        super().__init__(target, run, prefix=prefix)
        self.refunds: dict[str, str] = {}
        self.wanted: Sequence[tuple[str, int | None]] = ()
        """PaymentIntents and how much of each; None for all."""

    def plan_undo(self) -> None:
        """News that ends its reader would leave a process behind that does not run."""
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        environment = self.target.environment
        key = environment.secret("stripe-api-key")
        dashboard = StripeDashboard(environment.stripe_api_base, key)
        for intent, amount in self.wanted:
            try:
                refund = dashboard.refund(intent, key=f"{self.run.run_id}-{intent}", amount=amount)
            except DashboardError as error:
                raise FaultError(str(error)) from error
            self.refunds[refund] = intent
            self.run.journal("refunded_outside", refund=refund, payment_intent=intent)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """Stripe lists them."""
        del deadline_seconds  # a list shows what was just made
        title = "others gave money back"
        required = f"{len(self.wanted)} refunds in Stripe's list"
        reader = StripeReader(self.target.environment)
        listed = {
            str(row["id"])
            for intent in self.refunds.values()
            for row in reader.objects("refunds", payment_intent=intent)
        }
        missing = sorted(self.refunds.keys() - listed)
        if missing or not self.refunds:
            reason = f"not listed: {', '.join(missing) or 'any'}"
            return [self._unproven("refunded-by-others", title, required, reason)]
        observed = f"{len(self.refunds)} refunds, without metadata of ours"
        return [
            self._proven(
                *("refunded-by-others", title, required, observed, len(self.refunds)),
                evidence=tuple(f"{refund} of {of}" for refund, of in self.refunds.items()),
            )
        ]
