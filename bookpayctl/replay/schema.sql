-- What a replay holds against each other, in files of the run's folder. Standard SQL, written as the
-- judge's schema is: a table is its comment, its name, and one column per line with its meaning.

-- What was asked for: one row.
CREATE TABLE asked (
    began_at     TIMESTAMP,  -- the database's clock before the ends of the log were looked up
    by_time      BOOLEAN,    -- the range is told by times, so it is known which rows lie in it
    since_at     TIMESTAMP,  -- where the range begins; NULL at the log's beginning
    until_at     TIMESTAMP,  -- where it ends; NULL at the log's end
    captured     BOOLEAN     -- events leave by change data capture: a record's key is its event's id
);

-- The partitions that were read.
CREATE TABLE partitions (
    topic             VARCHAR,    -- where it is
    partition_number  INTEGER,    -- which of it
    low_offset        BIGINT,     -- where the log begins
    from_offset       BIGINT,     -- the first offset that was asked for
    to_offset         BIGINT,     -- the first that was not asked for any more
    kept_seconds      BIGINT,     -- how long the topic promises to keep a record; NULL for ever
    retained_since    TIMESTAMP   -- the oldest record of the log; NULL where nothing was trimmed
);

-- Records as they lie in Kafka.
CREATE TABLE records (
    topic             VARCHAR,  -- where it lies
    partition_number  INTEGER,  -- which partition
    record_offset     BIGINT,   -- which place in it
    recorded_ms       BIGINT,   -- its time, milliseconds since 1970; NULL where it has none
    record_key        VARCHAR,  -- the key as text
    event_id          VARCHAR,  -- of the headers (`id` by change data capture), else of the payload
    payload_event_id  VARCHAR,  -- of the payload
    event_type        VARCHAR,  -- header
    aggregate         VARCHAR,  -- header
    aggregate_id      VARCHAR,  -- header
    tenant_id         VARCHAR,  -- header
    created_text      VARCHAR,  -- header created_at, as it is written
    replay            VARCHAR,  -- header replay: which run published it again
    payload_sha256    VARCHAR,  -- of the value's bytes; NULL for a record without a value
    order_id          VARCHAR,  -- payload
    root_event_id     VARCHAR,  -- payload
    amount            BIGINT,   -- payload amount_cents
    currency          VARCHAR,  -- payload
    payment_intent_id VARCHAR,  -- payload
    problem           VARCHAR   -- why it is no event of ours; NULL for one that is
);

-- The outbox.
CREATE TABLE events (
    event_id          VARCHAR,    -- of the row
    event_type        VARCHAR,    -- what happened
    aggregate         VARCHAR,    -- of what
    aggregate_id      VARCHAR,    -- of which
    tenant_id         VARCHAR,    -- whose
    created_text      VARCHAR,    -- created_at as the header has it
    payload_sha256    VARCHAR,    -- of the payload's text, which is what is published
    order_id          VARCHAR,    -- payload, else the aggregate's id
    root_event_id     VARCHAR,    -- payload, else its own id: the record's key; NULL if odd
    amount            BIGINT,     -- payload
    currency          VARCHAR,    -- payload
    created_at        TIMESTAMP,  -- when it was written
    published_at      TIMESTAMP   -- when it was marked; NULL while it was not
);

-- Orders.
CREATE TABLE orders (
    order_id       VARCHAR,    -- the shop's own id
    tenant_id      VARCHAR,    -- who sells
    amount         BIGINT,     -- what the customer owes
    currency       VARCHAR,    -- of the amount
    status         VARCHAR,    -- pending, paid, cancelled or refunded
    event_id       VARCHAR     -- its OrderPlaced
);

-- Payments.
CREATE TABLE payments (
    event_id           VARCHAR,  -- the root event id
    order_id           VARCHAR,  -- of which order
    tenant_id          VARCHAR,  -- who sells
    amount             BIGINT,   -- what is charged
    currency           VARCHAR,  -- of the amount
    state              VARCHAR,  -- where it is
    payment_intent_id  VARCHAR   -- at Stripe; NULL while there is none
);

-- Records and events that have a dead letter.
CREATE TABLE dead_letters (
    source            VARCHAR,  -- who set it aside
    reason            VARCHAR,  -- why
    event_id          VARCHAR,  -- which event, when that is known
    topic             VARCHAR,  -- which record
    partition_number  INTEGER,  -- of it
    record_offset     BIGINT    -- of it
);

-- Events that runs of this tool put into the topics on purpose.
CREATE TABLE probes (
    event_id  VARCHAR  -- of the record
);
