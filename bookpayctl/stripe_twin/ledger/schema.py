"""The ledger's tables and the statements that write them.

`requests`, `answers`, `executions`, `events`, `delivery_attempts` and `fault_hits` are
append-only: triggers refuse UPDATE and DELETE, so a judge may trust that a row was never revised.
The other tables hold current state and can be read off again from these and from the objects.
"""

# Refused by the database and not by our own care, so that a defect of the twin cannot revise what
# it is judged by.
APPEND_ONLY = (
    "requests",
    "answers",
    "executions",
    "events",
    "delivery_attempts",
    "fault_hits",
)

TABLES = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS objects (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, kind TEXT NOT NULL,
    created INTEGER NOT NULL, payment_intent TEXT, customer TEXT, subject TEXT,
    body TEXT NOT NULL, changed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS objects_kind_idx ON objects (account, kind, created, n);
CREATE INDEX IF NOT EXISTS objects_payment_intent_idx ON objects (payment_intent, kind, created, n)
    WHERE payment_intent IS NOT NULL;
CREATE INDEX IF NOT EXISTS objects_customer_idx ON objects (customer, kind, created, n)
    WHERE customer IS NOT NULL;
CREATE INDEX IF NOT EXISTS objects_subject_idx ON objects (subject, kind, created, n)
    WHERE subject IS NOT NULL;
-- Read at every start, among perhaps millions of other objects.
CREATE INDEX IF NOT EXISTS objects_webhook_endpoint_idx ON objects (n)
    WHERE kind = 'webhook_endpoint';

-- Filters of lists. Without them a filter that matches little would read a million objects.
CREATE INDEX IF NOT EXISTS objects_transaction_type_idx
    ON objects (account, json_extract(body, '$.type'), created, n)
    WHERE kind = 'balance_transaction';
CREATE INDEX IF NOT EXISTS objects_transaction_currency_idx
    ON objects (account, json_extract(body, '$.currency'), created, n)
    WHERE kind = 'balance_transaction';
CREATE INDEX IF NOT EXISTS objects_method_type_idx
    ON objects (account, json_extract(body, '$.type'), created, n)
    WHERE kind = 'payment_method';
CREATE INDEX IF NOT EXISTS objects_customer_email_idx
    ON objects (account, json_extract(body, '$.email'), created, n)
    WHERE kind = 'customer';
CREATE INDEX IF NOT EXISTS objects_transfer_group_idx
    ON objects (account, json_extract(body, '$.transfer_group'), created, n)
    WHERE kind = 'charge' AND json_extract(body, '$.transfer_group') IS NOT NULL;
-- What the search index has not seen yet.
CREATE INDEX IF NOT EXISTS objects_changed_idx ON objects (changed)
    WHERE kind IN ('payment_intent', 'charge', 'customer');

-- Null is the platform of an account with keys of its own; of the others it is who made them.
CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY, platform TEXT, created INTEGER NOT NULL, body TEXT NOT NULL);
-- What the operator said of keys; the keys themselves are nowhere.
CREATE TABLE IF NOT EXISTS api_keys (
    key_sha256 TEXT PRIMARY KEY, account TEXT NOT NULL, permissions TEXT, state TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS balances (
    account TEXT NOT NULL, currency TEXT NOT NULL, available_on INTEGER NOT NULL,
    net INTEGER NOT NULL, UNIQUE (account, currency, available_on));

CREATE TABLE IF NOT EXISTS keys (
    account TEXT NOT NULL, key TEXT NOT NULL, path TEXT NOT NULL, params_sha256 TEXT NOT NULL,
    request_id TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, should_retry TEXT,
    created REAL NOT NULL, UNIQUE (account, key));
CREATE INDEX IF NOT EXISTS keys_created_idx ON keys (created);

CREATE TABLE IF NOT EXISTS requests (
    n INTEGER PRIMARY KEY, request_id TEXT NOT NULL, at REAL NOT NULL, wall_at REAL NOT NULL,
    account TEXT, method TEXT NOT NULL, path TEXT NOT NULL, idempotency_key TEXT,
    body_sha256 TEXT NOT NULL, status INTEGER NOT NULL, replayed INTEGER NOT NULL,
    executed INTEGER NOT NULL, original_request TEXT, object_id TEXT, code TEXT,
    flags TEXT NOT NULL, faults TEXT NOT NULL, env TEXT, event_id TEXT);
CREATE INDEX IF NOT EXISTS requests_key_idx ON requests (idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE IF NOT EXISTS answers (
    request_n INTEGER NOT NULL, outcome TEXT NOT NULL, wall_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS answers_request_idx ON answers (request_n);

CREATE TABLE IF NOT EXISTS executions (
    n INTEGER PRIMARY KEY, at REAL NOT NULL, account TEXT NOT NULL, kind TEXT NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, payment_intent TEXT, charge TEXT,
    refund TEXT, idempotency_key TEXT, request_id TEXT, event_id TEXT, metadata TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS executions_event_idx ON executions (event_id)
    WHERE event_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS executions_payment_intent_idx ON executions (payment_intent);

CREATE TABLE IF NOT EXISTS events (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, created INTEGER NOT NULL,
    type TEXT NOT NULL, object_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_created_idx ON events (account, created, n);
CREATE INDEX IF NOT EXISTS events_type_idx ON events (account, type, created, n);

CREATE TABLE IF NOT EXISTS outgoing (
    event_id TEXT NOT NULL, endpoint_id TEXT NOT NULL, attempts INTEGER NOT NULL,
    due_at REAL NOT NULL, state TEXT NOT NULL, UNIQUE (event_id, endpoint_id));
CREATE INDEX IF NOT EXISTS outgoing_due_idx ON outgoing (due_at) WHERE state = 'due';
CREATE INDEX IF NOT EXISTS outgoing_undelivered_idx ON outgoing (event_id)
    WHERE state IN ('due', 'dropped', 'given_up');

CREATE TABLE IF NOT EXISTS delivery_attempts (
    n INTEGER PRIMARY KEY, event_id TEXT NOT NULL, event_type TEXT NOT NULL,
    endpoint_id TEXT NOT NULL, attempt INTEGER NOT NULL, at REAL NOT NULL, wall_at REAL NOT NULL,
    signed_at INTEGER, outcome TEXT NOT NULL, status INTEGER, seconds REAL NOT NULL,
    answer TEXT NOT NULL, fault TEXT);
CREATE INDEX IF NOT EXISTS delivery_attempts_event_idx ON delivery_attempts (event_id);

CREATE TABLE IF NOT EXISTS timers (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, due_at REAL NOT NULL, action TEXT NOT NULL,
    object_id TEXT NOT NULL, state TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS timers_due_idx ON timers (due_at) WHERE state = 'due';

CREATE TABLE IF NOT EXISTS faults (
    id TEXT PRIMARY KEY, definition TEXT NOT NULL, remaining INTEGER, draws INTEGER NOT NULL,
    active INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS fault_hits (
    n INTEGER PRIMARY KEY, fault_id TEXT NOT NULL, action TEXT NOT NULL, at REAL NOT NULL,
    wall_at REAL NOT NULL, request_id TEXT, idempotency_key TEXT, path TEXT, event_id TEXT,
    object_id TEXT);
"""


# What makes a ledger of a version one of the next, by the version it has (its user_version); an
# older one takes every step. `before` runs before TABLES and `after` behind them; a new ledger has
# nothing for them to change.
VERSION = 2
UPGRADES: dict[int, tuple[str, str]] = {
    0: (
        "ALTER TABLE objects ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;",
        """
        UPDATE objects SET body = json_remove(body, '$.sepa_debit', '$.us_bank_account')
            WHERE kind = 'payment_method' AND json_extract(body, '$.type') = 'card';
        UPDATE objects SET body = json_remove(body, '$.card', '$.sepa_debit')
            WHERE kind = 'payment_method' AND json_extract(body, '$.type') = 'us_bank_account';
        UPDATE objects SET body = json_remove(body, '$.card', '$.us_bank_account')
            WHERE kind = 'payment_method' AND json_extract(body, '$.type') = 'sepa_debit';
        UPDATE objects SET kind = 'deleted_customer'
            WHERE kind = 'customer' AND json_extract(body, '$.deleted');
        INSERT INTO balances (account, currency, available_on, net)
            SELECT account, json_extract(body, '$.currency'), json_extract(body, '$.available_on'),
                sum(json_extract(body, '$.net'))
            FROM objects WHERE kind = 'balance_transaction' GROUP BY 1, 2, 3;
        """,
    ),
    # Before accounts were kept, `Stripe-Account` could be any name, and all keys were of one
    # account: whatever else has objects was connected to that one.
    1: (
        "",
        """
        INSERT OR IGNORE INTO accounts (id, platform, created, body)
            SELECT account, '*', 0, '{}' FROM (SELECT DISTINCT account FROM objects);
        """,
    ),
}


def append_only_triggers() -> str:
    """Triggers that refuse to revise the append-only tables."""
    return "\n".join(
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    )


def _insert(table: str, columns: str, *, verb: str = "INSERT", tail: str = "") -> str:
    marks = ", ".join("?" for _ in columns.split(","))
    return f"{verb} INTO {table} ({columns}) VALUES ({marks}) {tail}"


PUT_SETTING = _insert("settings", "name, value", verb="INSERT OR REPLACE")
# The kind can change: a deleted customer is of another one. The account and the time of creation
# cannot.
PUT_OBJECT = _insert(
    "objects",
    "id, account, kind, created, payment_intent, customer, subject, body, changed",
    tail="ON CONFLICT (id) DO UPDATE SET body = excluded.body, customer = excluded.customer, "
    "payment_intent = excluded.payment_intent, subject = excluded.subject, kind = excluded.kind, "
    "changed = excluded.changed",
)
# Added up where it is stored: two movements of one transaction must not overwrite each other.
ADD_TO_BALANCE = _insert(
    "balances",
    "account, currency, available_on, net",
    tail="ON CONFLICT (account, currency, available_on) DO UPDATE SET net = net + excluded.net",
)
PUT_ACCOUNT = _insert("accounts", "id, platform, created, body", verb="INSERT OR IGNORE")
PUT_API_KEY = _insert(
    "api_keys", "key_sha256, account, permissions, state", verb="INSERT OR REPLACE"
)
# A pruned key that is used again is a new request, hence the replacement.
PUT_KEY = _insert(
    "keys",
    "account, key, path, params_sha256, request_id, status, body, should_retry, created",
    verb="INSERT OR REPLACE",
)
# A few thousand at a time: a day of a million keys, gone in one statement, would be a pause.
PRUNE_KEYS = (
    "DELETE FROM keys WHERE rowid IN (SELECT rowid FROM keys WHERE created <= ? LIMIT 2000)"
)
ADD_REQUEST = _insert(
    "requests",
    "n, request_id, at, wall_at, account, method, path, idempotency_key, body_sha256, status, "
    "replayed, executed, original_request, object_id, code, flags, faults, env, event_id",
)
ADD_ANSWER = _insert("answers", "request_n, outcome, wall_at")
ADD_EXECUTION = _insert(
    "executions",
    "at, account, kind, amount, currency, payment_intent, charge, refund, idempotency_key, "
    "request_id, event_id, metadata",
)
ADD_EVENT = _insert("events", "id, account, created, type, object_id, body")
PUT_OUTGOING = _insert(
    "outgoing", "event_id, endpoint_id, attempts, due_at, state", verb="INSERT OR REPLACE"
)
ADD_DELIVERY = _insert(
    "delivery_attempts",
    "event_id, event_type, endpoint_id, attempt, at, wall_at, signed_at, outcome, status, "
    "seconds, answer, fault",
)
PUT_TIMER = _insert(
    "timers", "id, account, due_at, action, object_id, state", verb="INSERT OR REPLACE"
)
PUT_FAULT = _insert("faults", "id, definition, remaining, draws, active", verb="INSERT OR REPLACE")
ADD_FAULT_HIT = _insert(
    "fault_hits",
    "fault_id, action, at, wall_at, request_id, idempotency_key, path, event_id, object_id",
)
