-- The judge's ledgers: what it reads, whatever stack it comes from.
--
-- Times are UTC with microseconds. Ids are text as their owner writes them. `amount` is in the
-- minor units of the ISO 4217 currency beside it (cents of usd, whole yen). NULL is what a source
-- does not give. `unreadable` is NULL in a row that is here as it was found; otherwise it names the
-- columns whose value no type here can hold, and those are NULL.
--
-- Standard SQL, so that any engine can make the tables. `tables.py` reads this file: a table is its
-- comment, its name, and one column per line with what the column means.

-- What is judged and until when: one row for the whole judgement.
CREATE TABLE judgement (
    environment             VARCHAR,    -- the `env` in the metadata of our PaymentIntents
    mapping                 VARCHAR,    -- the mapping that this was read by; NULL of a stack of ours
    read_at                 TIMESTAMP,  -- when the database was read, by its own clock
    cut_off                 TIMESTAMP,  -- what was made before this is old enough to be judged
    since                   TIMESTAMP,  -- orders from before this are not judged; NULL: all are
    sample_below            VARCHAR,    -- only orders whose md5 is below are judged; NULL: all are
    ahead_from              TIMESTAMP,  -- what is dated later than this is not young: judged, too
    stripe_cut_off          TIMESTAMP,  -- the cut-off on Stripe's clock, which drills may move
    stripe_ahead_from       TIMESTAMP,  -- `ahead_from` on Stripe's clock
    events_since            TIMESTAMP,  -- Stripe's events from before this are not listed; NULL: all
    waiting_since           TIMESTAMP,  -- a payment made after this may still wait for its customer
    change_data_capture     BOOLEAN,    -- events leave by capture, so none is ever marked published
    account_is_shared       BOOLEAN,    -- others use the Stripe account, as the operator declared
    history_tenant_id       VARCHAR,    -- whose calls are in client_operations
    history_key_prefix      VARCHAR     -- how the client keys of that history begin
);

-- Which tables are not here, and why.
CREATE TABLE absent (
    table_name  VARCHAR,  -- a table of this schema, or `table.column` where one column is missing
    reason      VARCHAR,  -- why it is not here, for a person
    chosen      BOOLEAN   -- true: this stack has no such ledger, or nobody gave it; false: a hole
);

-- Orders.
CREATE TABLE orders (
    order_id    VARCHAR,    -- the shop's own id
    tenant_id   VARCHAR,    -- who sells
    amount      BIGINT,     -- what the customer owes
    currency    VARCHAR,    -- of the amount
    status      VARCHAR,    -- pending, paid, cancelled or refunded
    client_key  VARCHAR,    -- the key that the client sent with it; NULL for one made by hand
    created_at  TIMESTAMP,  -- when it was placed
    unreadable  VARCHAR     -- columns that could not be held
);

-- Every step that an order took.
CREATE TABLE order_steps (
    step_number BIGINT,     -- steps of one order are in this order
    order_id    VARCHAR,    -- whose step
    from_state  VARCHAR,    -- where it began; NULL for the first one
    to_state    VARCHAR,    -- where it ended
    cause       VARCHAR,    -- what moved it
    happened_at       TIMESTAMP,  -- when it was taken
    unreadable  VARCHAR     -- columns that could not be held
);

-- The transactional outbox: events as they were written down.
CREATE TABLE outbox (
    event_id        VARCHAR,    -- unique
    event_type      VARCHAR,    -- OrderPlaced and the like
    order_id        VARCHAR,    -- the order it speaks of
    root_event_id   VARCHAR,    -- the OrderPlaced that it follows from; its own id when none is named
    amount          BIGINT,     -- as the payload has it; NULL when that is no whole number
    currency        VARCHAR,    -- as the payload has it
    has_amount      BOOLEAN,    -- whether the payload names an amount at all
    payload_sha256  VARCHAR,    -- of the bytes that are published, hexadecimal
    published       BOOLEAN,    -- whether it is marked as published
    created_at      TIMESTAMP,  -- when it was written
    published_at    TIMESTAMP,  -- when it was marked
    unreadable      VARCHAR     -- columns that could not be held
);

-- Payments, one for each order.
CREATE TABLE payments (
    event_id            VARCHAR,    -- the order's root event, and the idempotency key of its charge
    order_id            VARCHAR,    -- what is paid
    amount              BIGINT,     -- what is to be taken
    currency            VARCHAR,    -- of the amount
    state               VARCHAR,    -- of the payment protocol
    payment_intent_id   VARCHAR,    -- Stripe's; NULL until it is known
    created_at          TIMESTAMP,  -- when the payment was begun
    unreadable          VARCHAR     -- columns that could not be held
);

-- Every step that a payment took.
CREATE TABLE payment_steps (
    step_number BIGINT,     -- steps of one payment are in this order
    event_id    VARCHAR,    -- whose step
    kind        VARCHAR,    -- transition, outcome, or refused, which moved nothing
    from_state  VARCHAR,    -- where it began; NULL for the first one
    to_state    VARCHAR,    -- where it ended
    cause       VARCHAR,    -- what moved it
    happened_at       TIMESTAMP,  -- when it was taken
    unreadable  VARCHAR     -- columns that could not be held
);

-- Refunds that we asked for.
CREATE TABLE refunds (
    refund_id           VARCHAR,  -- ours
    event_id            VARCHAR,  -- the payment it gives back
    idempotency_key     VARCHAR,  -- the key that Stripe is asked with
    amount              BIGINT,   -- in the payment's currency
    state               VARCHAR,  -- of the refund protocol
    stripe_refund_id    VARCHAR,  -- Stripe's; NULL until it is known
    unreadable          VARCHAR   -- columns that could not be held
);

-- Refunds that others made, as far as our tables know them.
CREATE TABLE outside_refunds (
    stripe_refund_id    VARCHAR,  -- Stripe's
    payment_intent_id   VARCHAR,  -- of which money it gives back
    amount              BIGINT,   -- in the payment's currency
    status              VARCHAR,  -- Stripe's word
    unreadable          VARCHAR   -- columns that could not be held
);

-- Disputes, as far as our tables know them.
CREATE TABLE disputes (
    stripe_dispute_id   VARCHAR,  -- Stripe's
    payment_intent_id   VARCHAR,  -- of which money is disputed
    amount              BIGINT,   -- in the payment's currency
    status              VARCHAR,  -- Stripe's word
    unreadable          VARCHAR   -- columns that could not be held
);

-- Stock.
CREATE TABLE inventory (
    sku         VARCHAR,  -- what is sold
    initial     BIGINT,   -- pieces that there were
    on_hand     BIGINT,   -- pieces nobody has asked for
    reserved    BIGINT,   -- pieces held for pending orders
    sold        BIGINT,   -- pieces of paid orders
    unreadable  VARCHAR   -- columns that could not be held
);

-- Which order has which stock.
CREATE TABLE reservations (
    order_id    VARCHAR,  -- for whom
    sku         VARCHAR,  -- what
    quantity    BIGINT,   -- pieces
    state       VARCHAR,  -- held, sold or released
    unreadable  VARCHAR   -- columns that could not be held
);

-- Webhooks that we took in.
CREATE TABLE webhooks (
    stripe_event_id VARCHAR,    -- Stripe's id of the event
    type            VARCHAR,    -- Stripe's
    object_id       VARCHAR,    -- of the object that it speaks of
    received_at     TIMESTAMP,  -- when it was stored
    processed       BOOLEAN,    -- whether it was applied, or set aside on record
    parked          BOOLEAN,    -- whether it waits for the row that it speaks of
    unreadable      VARCHAR     -- columns that could not be held
);

-- What could not be done and was set aside for a person.
CREATE TABLE dead_letters (
    dead_letter_id  VARCHAR,    -- ours
    source          VARCHAR,    -- who set it aside
    reason          VARCHAR,    -- why
    event_id        VARCHAR,    -- the event that it was; NULL when it had none
    resolved        BOOLEAN,    -- whether somebody has seen to it
    happened_at           TIMESTAMP,  -- when it was set aside
    unreadable      VARCHAR     -- columns that could not be held
);

-- Our journal of calls to Stripe; a row is written before its call leaves.
CREATE TABLE calls (
    operation       VARCHAR,    -- charge, shadow_charge, refund, cancel and the like
    idempotency_key VARCHAR,    -- the key it was sent with
    event_id        VARCHAR,    -- the payment it was made for
    request_id      VARCHAR,    -- Stripe's id of the request; NULL when no answer came
    happened_at           TIMESTAMP,  -- when it was written
    unreadable      VARCHAR     -- columns that could not be held
);

-- Letters that were sent to customers.
CREATE TABLE letters (
    event_id    VARCHAR,  -- the event that was told
    unreadable  VARCHAR   -- columns that could not be held
);

-- Payments that we only shadowed while another system took the money.
CREATE TABLE shadows (
    event_id                VARCHAR,  -- our payment; NULL where only the other side is known
    v1_payment_intent_id    VARCHAR,  -- the other system's PaymentIntent; NULL where it has none
    unreadable              VARCHAR   -- columns that could not be held
);

-- Who published, one after the other.
CREATE TABLE publisher_terms (
    term            BIGINT,     -- counted up by each new leader
    publisher_id    VARCHAR,    -- the process
    backend_pid     BIGINT,     -- the session that held the lock
    began_at        TIMESTAMP,  -- when it took the lock
    ended_at        TIMESTAMP,  -- when it said that it gave it back; NULL when it never did
    unreadable      VARCHAR     -- columns that could not be held
);

-- In which topic each type of event is, where that is not as in a stack of ours.
CREATE TABLE declared_topics (
    event_type  VARCHAR,  -- OrderPlaced and the like
    topic       VARCHAR,  -- where it is published
    unreadable  VARCHAR   -- columns that could not be held
);

-- Kafka's records, committed ones only.
CREATE TABLE log_records (
    topic               VARCHAR,    -- topic,
    partition_number    INTEGER,    -- partition
    record_offset       BIGINT,     -- and offset: where it stands
    recorded_at         TIMESTAMP,  -- the broker's or the producer's time, as the topic is set
    record_key          VARCHAR,    -- decoded as UTF-8
    event_id            VARCHAR,    -- from header or payload; NULL for what is no event
    event_type          VARCHAR,    -- from the header
    order_id            VARCHAR,    -- from the payload
    root_event_id       VARCHAR,    -- from the payload
    amount              BIGINT,     -- from the payload
    currency            VARCHAR,    -- from the payload
    payload_sha256      VARCHAR,    -- of the value's bytes, hexadecimal
    publisher_term      BIGINT,     -- from the header; NULL for what no publisher of ours sent
    unreadable          VARCHAR     -- columns that could not be held
);

-- Where each partition's log begins and ends.
CREATE TABLE log_partitions (
    topic               VARCHAR,    -- topic
    partition_number    INTEGER,    -- and partition
    low_offset          BIGINT,     -- of the first record that is kept
    high_offset         BIGINT,     -- behind the last record
    oldest_at           TIMESTAMP,  -- time of the first record that is kept; NULL when it is empty
    unreadable          VARCHAR     -- columns that could not be held
);

-- How far each consumer group has read.
CREATE TABLE log_groups (
    consumer_group      VARCHAR,  -- its name
    topic               VARCHAR,  -- what it reads
    partition_number    INTEGER,  -- of the topic
    committed_offset    BIGINT,   -- the next one it will read; NULL when it has committed nothing
    unreadable          VARCHAR   -- columns that could not be held
);

-- What topics are set to.
CREATE TABLE log_topics (
    topic           VARCHAR,  -- its name
    partitions      BIGINT,   -- how many
    replicas        BIGINT,   -- of the partition that has fewest
    retention_ms    BIGINT,   -- -1: for ever
    retention_bytes BIGINT,   -- -1: without a limit
    cleanup_policy  VARCHAR,  -- delete, compact, or both
    insync_min      BIGINT,   -- replicas that must acknowledge
    unclean_election BOOLEAN, -- whether one that lags may lead
    unreadable      VARCHAR   -- columns that could not be held
);

-- PaymentIntents at Stripe.
CREATE TABLE stripe_payment_intents (
    payment_intent_id   VARCHAR,    -- Stripe's
    status              VARCHAR,    -- Stripe's word
    amount              BIGINT,     -- what is to be taken
    currency            VARCHAR,    -- of the amount
    event_id            VARCHAR,    -- our payment, from the metadata
    order_id            VARCHAR,    -- our order, from the metadata
    environment         VARCHAR,    -- from the metadata
    shadow              BOOLEAN,    -- whether its metadata says that it only shadows
    created_at          TIMESTAMP,  -- Stripe's clock
    unreadable          VARCHAR     -- columns that could not be held
);

-- Charges at Stripe.
CREATE TABLE stripe_charges (
    charge_id           VARCHAR,    -- Stripe's
    payment_intent_id   VARCHAR,    -- what it was made for; NULL for one made without
    status              VARCHAR,    -- succeeded, pending or failed
    amount              BIGINT,     -- what was taken
    currency            VARCHAR,    -- of the amount
    amount_refunded     BIGINT,     -- what has gone back, as the charge says
    created_at          TIMESTAMP,  -- Stripe's clock
    unreadable          VARCHAR     -- columns that could not be held
);

-- Refunds at Stripe.
CREATE TABLE stripe_refunds (
    stripe_refund_id    VARCHAR,    -- Stripe's
    payment_intent_id   VARCHAR,    -- whose money goes back
    charge_id           VARCHAR,    -- the charge that is given back
    status              VARCHAR,    -- Stripe's word
    amount              BIGINT,     -- in the charge's currency
    refund_id           VARCHAR,    -- ours, from the metadata; NULL for one that is not ours
    created_at          TIMESTAMP,  -- Stripe's clock
    unreadable          VARCHAR     -- columns that could not be held
);

-- Disputes at Stripe.
CREATE TABLE stripe_disputes (
    stripe_dispute_id   VARCHAR,    -- Stripe's
    payment_intent_id   VARCHAR,    -- whose money is disputed
    charge_id           VARCHAR,    -- the charge that is disputed
    status              VARCHAR,    -- Stripe's word
    amount              BIGINT,     -- in the charge's currency
    created_at          TIMESTAMP,  -- Stripe's clock
    unreadable          VARCHAR     -- columns that could not be held
);

-- What happened at Stripe, as its events tell it.
CREATE TABLE stripe_events (
    stripe_event_id VARCHAR,    -- Stripe's
    type            VARCHAR,    -- Stripe's
    object_id       VARCHAR,    -- of the object that it speaks of
    idempotency_key VARCHAR,    -- of the request that caused it; NULL when none did
    created_at      TIMESTAMP,  -- Stripe's clock
    unreadable      VARCHAR     -- columns that could not be held
);

-- POSTs that reached Stripe: the twin's journal, or the recording tap's.
CREATE TABLE stripe_requests (
    idempotency_key VARCHAR,    -- NULL when it had none
    path            VARCHAR,    -- what was asked
    body_sha256     VARCHAR,    -- of the parameters
    executed        BOOLEAN,    -- whether Stripe acted, or may have
    environment     VARCHAR,    -- from the metadata
    object_id       VARCHAR,    -- what came of it
    request_id      VARCHAR,    -- Stripe's id of the request
    unreadable      VARCHAR     -- columns that could not be held
);

-- Events that Stripe delivered to our endpoint and that got a 2xx.
CREATE TABLE stripe_deliveries (
    stripe_event_id VARCHAR,  -- Stripe's
    unreadable      VARCHAR   -- columns that could not be held
);

-- What clients were told, one row for each call.
CREATE TABLE client_operations (
    client_key  VARCHAR,  -- the key it was sent with
    outcome     VARCHAR,  -- ok, fail, or unknown, which a time-out is
    order_id    VARCHAR,  -- the order it was told of
    amount      BIGINT,   -- the amount it was told, in the order's currency
    unreadable  VARCHAR   -- columns that could not be held
);

-- What runs did on purpose, and what proves that it happened.
CREATE TABLE faults (
    run_id      VARCHAR,    -- whose
    happened_at       TIMESTAMP,  -- when
    event       VARCHAR,    -- injected, proven, undone and the like
    fault       VARCHAR,    -- which
    topic       VARCHAR,    -- of a record that was put there on purpose,
    partition_number INTEGER,  -- its partition
    record_offset BIGINT,   -- and offset, when Kafka has acknowledged it
    event_id    VARCHAR,    -- the event that it was about, or that the record names
    detail      VARCHAR,    -- the journal's line
    unreadable  VARCHAR     -- columns that could not be held
);

-- What runs made by themselves, so that it is not judged as a customer's.
CREATE TABLE probes (
    kind        VARCHAR,  -- client_key, event or stripe_event
    id          VARCHAR,  -- of the thing
    unreadable  VARCHAR   -- columns that could not be held
);
