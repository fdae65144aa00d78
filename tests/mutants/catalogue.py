"""All sabotages: the twenty-four that are required, and our own."""

from __future__ import annotations

from typing import Final

from tests.mutants.about_answers import ANSWER_MUTANTS
from tests.mutants.about_capture import CAPTURE_MUTANTS
from tests.mutants.about_certificates import CERTIFICATE_MUTANTS
from tests.mutants.about_checks import CHECK_MUTANTS
from tests.mutants.about_clusters import CLUSTER_MUTANTS
from tests.mutants.about_drills import DRILL_MUTANTS
from tests.mutants.about_events import EVENT_MUTANTS
from tests.mutants.about_freezing import FREEZING_MUTANTS
from tests.mutants.about_growth import GROWTH_MUTANTS
from tests.mutants.about_judging import JUDGE_MUTANTS
from tests.mutants.about_leases import LEASE_MUTANTS
from tests.mutants.about_ledgers import LEDGER_MUTANTS
from tests.mutants.about_links import LINK_MUTANTS
from tests.mutants.about_mappings import MAPPING_MUTANTS
from tests.mutants.about_metrics import METRIC_MUTANTS
from tests.mutants.about_money import MONEY_MUTANTS
from tests.mutants.about_operators import OPERATOR_MUTANTS
from tests.mutants.about_orders import ORDER_MUTANTS
from tests.mutants.about_others import OTHERS_MUTANTS
from tests.mutants.about_progress import PROGRESS_MUTANTS
from tests.mutants.about_refunds import REFUND_MUTANTS
from tests.mutants.about_releases import RELEASE_MUTANTS
from tests.mutants.about_replaying import REPLAY_MUTANTS
from tests.mutants.about_reports import REPORT_MUTANTS
from tests.mutants.about_runbooks import RUNBOOK_MUTANTS
from tests.mutants.about_simulation import SIMULATION_MUTANTS
from tests.mutants.about_storms import STORM_MUTANTS
from tests.mutants.about_streaming import STREAMING_MUTANTS
from tests.mutants.about_traces import TRACE_MUTANTS
from tests.mutants.about_webhooks import WEBHOOK_MUTANTS
from tests.mutants.mutant import Mutant

REQUIRED: Final = tuple(f"M{number}" for number in range(1, 25))

MUTANTS: Final[tuple[Mutant, ...]] = tuple(
    sorted(
        (
            *ANSWER_MUTANTS,
            *CAPTURE_MUTANTS,
            *CERTIFICATE_MUTANTS,
            *CHECK_MUTANTS,
            *CLUSTER_MUTANTS,
            *EVENT_MUTANTS,
            *STREAMING_MUTANTS,
            *PROGRESS_MUTANTS,
            *FREEZING_MUTANTS,
            *GROWTH_MUTANTS,
            *MONEY_MUTANTS,
            *LEASE_MUTANTS,
            *REFUND_MUTANTS,
            *REPLAY_MUTANTS,
            *ORDER_MUTANTS,
            *OPERATOR_MUTANTS,
            *OTHERS_MUTANTS,
            *WEBHOOK_MUTANTS,
            *JUDGE_MUTANTS,
            *REPORT_MUTANTS,
            *MAPPING_MUTANTS,
            *DRILL_MUTANTS,
            *LINK_MUTANTS,
            *LEDGER_MUTANTS,
            *SIMULATION_MUTANTS,
            *RUNBOOK_MUTANTS,
            *STORM_MUTANTS,
            *METRIC_MUTANTS,
            *TRACE_MUTANTS,
            *RELEASE_MUTANTS,
        ),
        key=lambda mutant: int(mutant.id.removeprefix("M")),
    )
)


def by_id(ids: list[str]) -> list[Mutant]:
    """The named mutants in the catalogue's order; all of them without a name.

    Raises:
        KeyError: there is no such mutant.
    """
    known = {mutant.id: mutant for mutant in MUTANTS}
    wanted = {known[name.upper()].id for name in ids}
    return [mutant for mutant in MUTANTS if not wanted or mutant.id in wanted]
