"""What a failpoint refuses to do: a fault that cannot apply, and one without its connection."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from runtime.faults.names import INAPPLICABLE, Action, Failpoint
from runtime.faults.points import Failpoints, _Armed

ON = Failpoints("postgresql://nobody.invalid/none", "worker-0", uuid4(), None)


@pytest.mark.parametrize(("point", "action"), INAPPLICABLE, ids=lambda value: value.value)
def test_a_fault_that_cannot_apply_is_an_error_of_its_drill(
    point: Failpoint, action: Action
) -> None:
    with pytest.raises(ValueError, match=re.escape(INAPPLICABLE[point, action])):
        ON._act(point, _Armed(1, "run", action.value, None), None)


@pytest.mark.parametrize("action", [Action.DROPCONN, Action.EXECTIMEOUT])
def test_a_fault_of_a_connection_needs_the_connection(action: Action) -> None:
    with pytest.raises(ValueError, match="has no action"):
        ON._act(Failpoint.API_BEFORE_COMMIT, _Armed(1, "run", action.value, None), None)
