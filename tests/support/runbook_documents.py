"""A runbook, and what `runbook` says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bookpayctl.cli.commands.runbook import runbook_list, runbook_page
from bookpayctl.cli.output import Document
from bookpayctl.runbook.page import runbook

BOOK: Final = runbook(
    "late-letters",
    """---
alerts: [LettersLate]
unrehearsed: it needs a postman
---
# Letters are late

```console on=local within=30s
$ bookpayctl dlq list -o json
.dead_letters[0].id as LETTER? (json)
```

## Mitigation

```console danger="sends letters again"
$ bookpayctl dlq redrive --id $LETTER
...
[6]
```
""",
)

RUNBOOK_DOCUMENTS: Final[dict[str, Callable[[], Document]]] = {
    "Runbook": lambda: runbook_page(BOOK, BOOK.steps),
    "RunbookList": lambda: runbook_list([BOOK]),
}
