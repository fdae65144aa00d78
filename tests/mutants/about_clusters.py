"""Sabotages of what `up` and `down` do to a cluster: whose it is, and what is brought into it."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

# Something about a cluster that is decided without one.
DECIDED: Final = (
    unit("targets/kind/test_cluster_plan", "test_an_image_is_loaded_by_its_id_and_not_by_its_name"),
)

CLUSTER_MUTANTS: Final = (
    Mutant(
        "M64",
        "a file of an operator is applied whatever its bytes are, so upstream or the disk decides",
        (
            Replacement(
                "bookpayctl/targets/kube/operators/sources.py",
                "    if digest == operator.files[name]:\n",
                "    if digest != name:\n",
            ),
        ),
        (
            unit(
                "targets/kube/operators/test_operator_sources",
                "test_what_upstream_sends_instead_is_refused_and_not_kept",
            ),
            unit(
                "targets/kube/operators/test_operator_sources",
                "test_a_file_that_was_changed_on_the_disk_is_refused",
            ),
        ),
        smoke=(
            unit(
                "targets/kube/operators/test_operator_sources",
                "test_what_is_fetched_is_kept_and_not_fetched_again",
            ),
        ),
    ),
    Mutant(
        "M65",
        "a cluster of kind is taken for ours by its name, so --purge deletes somebody else's",
        (
            Replacement(
                "bookpayctl/targets/kind/plan.py",
                "        and record.api_port in standing.api_ports\n",
                "        and record.api_port not in (None, standing)\n",
            ),
        ),
        (
            unit(
                "targets/kind/test_cluster_plan",
                "test_only_the_cluster_that_was_made_for_the_environment_may_be_deleted",
            ),
        ),
        smoke=DECIDED,
    ),
    Mutant(
        "M72",
        "a run that was killed keeps out whoever sees that it is dead",
        (
            Replacement(
                "bookpayctl/targets/kube/reservation.py",
                "    return is_over(lease, now) or is_dead(run_of(lease))\n",
                '    return is_over(lease, now) or is_dead("")\n',
            ),
        ),
        (
            unit(
                "targets/kube/test_reservation",
                "test_a_holder_that_is_known_to_be_dead_keeps_nobody_out",
            ),
        ),
    ),
)
