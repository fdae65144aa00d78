-- The timeline of each order in `told(order_id)`, across PostgreSQL, Kafka and Stripe.
--
-- Of each line: whose, when (UTC; NULL where the ledger has no time), which ledger, what, and the
-- ids and money of it, with money as `{4999 usd}`. Ids only: no name, no address, no key of a client.

CREATE OR REPLACE TEMP TABLE told_events AS
SELECT DISTINCT order_id, event_id FROM (
    SELECT t.order_id, p.event_id FROM told AS t JOIN payments AS p ON p.order_id = t.order_id
    UNION ALL
    SELECT t.order_id, e.event_id FROM told AS t JOIN outbox AS e ON e.order_id = t.order_id
    UNION ALL
    SELECT t.order_id, e.root_event_id FROM told AS t JOIN outbox AS e ON e.order_id = t.order_id
) AS named WHERE event_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE told_intents AS
SELECT DISTINCT order_id, payment_intent_id FROM (
    SELECT t.order_id, p.payment_intent_id FROM told AS t JOIN payments AS p ON p.order_id = t.order_id
    UNION ALL
    SELECT t.order_id, i.payment_intent_id
    FROM told AS t JOIN stripe_payment_intents AS i ON i.order_id = t.order_id
    UNION ALL
    SELECT e.order_id, i.payment_intent_id
    FROM told_events AS e JOIN stripe_payment_intents AS i ON i.event_id = e.event_id
) AS named WHERE payment_intent_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE told_objects AS
SELECT order_id, payment_intent_id AS object_id FROM told_intents
UNION
SELECT i.order_id, c.charge_id FROM told_intents AS i
JOIN stripe_charges AS c ON c.payment_intent_id = i.payment_intent_id
UNION
SELECT i.order_id, r.stripe_refund_id FROM told_intents AS i
JOIN stripe_refunds AS r ON r.payment_intent_id = i.payment_intent_id
UNION
SELECT i.order_id, d.stripe_dispute_id FROM told_intents AS i
JOIN stripe_disputes AS d ON d.payment_intent_id = i.payment_intent_id;

-- A record is an order's by the order that it names, or by its event.
CREATE OR REPLACE TEMP TABLE told_records AS
SELECT t.order_id, r.topic, r.partition_number, r.record_offset
FROM told AS t JOIN log_records AS r ON r.order_id = t.order_id
UNION
SELECT e.order_id, r.topic, r.partition_number, r.record_offset
FROM told_events AS e JOIN log_records AS r ON r.event_id = e.event_id;

CREATE OR REPLACE TEMP TABLE timeline AS
SELECT t.order_id, o.created_at AS happened_at, 'PostgreSQL' AS ledger, 'order placed' AS what,
    concat_ws(', ', '{' || o.amount || ' ' || o.currency || '}', 'now ' || o.status) AS detail
FROM told AS t JOIN orders AS o ON o.order_id = t.order_id
UNION ALL
SELECT t.order_id, s.happened_at, 'PostgreSQL',
    'order ' || concat_ws(' to ', s.from_state, s.to_state), s.cause
FROM told AS t JOIN order_steps AS s ON s.order_id = t.order_id WHERE s.from_state IS NOT NULL
UNION ALL
SELECT t.order_id, NULL, 'PostgreSQL', 'stock ' || r.state, r.quantity || ' of ' || r.sku
FROM told AS t JOIN reservations AS r ON r.order_id = t.order_id
UNION ALL
SELECT t.order_id, e.created_at, 'PostgreSQL', e.event_type || ' written', e.event_id
FROM told AS t JOIN outbox AS e ON e.order_id = t.order_id
UNION ALL
SELECT t.order_id, e.published_at, 'PostgreSQL', e.event_type || ' marked published', e.event_id
FROM told AS t JOIN outbox AS e ON e.order_id = t.order_id WHERE e.published_at IS NOT NULL
UNION ALL
SELECT t.order_id, s.happened_at, 'PostgreSQL',
    'payment ' || concat_ws(' to ', s.from_state, s.to_state), concat_ws(', ', s.kind, s.cause)
FROM told_events AS t JOIN payment_steps AS s ON s.event_id = t.event_id
UNION ALL
SELECT t.order_id, c.happened_at, 'PostgreSQL', 'call: ' || c.operation,
    concat_ws(', ', 'key ' || c.idempotency_key, coalesce(c.request_id, 'no answer'))
FROM told_events AS t JOIN calls AS c ON c.event_id = t.event_id
UNION ALL
SELECT t.order_id, NULL, 'PostgreSQL', 'refund of ours ' || r.state,
    concat_ws(', ', r.amount || ' minor units', 'key ' || r.idempotency_key, r.stripe_refund_id)
FROM told_events AS t JOIN refunds AS r ON r.event_id = t.event_id
UNION ALL
SELECT t.order_id, w.received_at, 'PostgreSQL', 'webhook ' || w.type,
    concat_ws(', ', w.stripe_event_id, w.object_id,
        CASE WHEN w.parked THEN 'parked' WHEN w.processed THEN 'processed' ELSE 'not processed' END)
FROM told_objects AS t JOIN webhooks AS w ON w.object_id = t.object_id
UNION ALL
SELECT t.order_id, d.happened_at, 'PostgreSQL', 'dead letter: ' || d.reason,
    concat_ws(', ', d.source, d.event_id, CASE WHEN d.resolved THEN 'resolved' ELSE 'open' END)
FROM told_events AS t JOIN dead_letters AS d ON d.event_id = t.event_id
UNION ALL
SELECT t.order_id, r.recorded_at, 'Kafka', coalesce(r.event_type, 'record') || ' in ' || r.topic,
    concat_ws(', ', r.partition_number || '@' || r.record_offset, r.event_id,
        '{' || r.amount || ' ' || r.currency || '}', 'term ' || r.publisher_term)
FROM told_records AS t JOIN log_records AS r ON r.topic = t.topic
    AND r.partition_number = t.partition_number AND r.record_offset = t.record_offset
UNION ALL
SELECT t.order_id, i.created_at, 'Stripe', 'PaymentIntent ' || i.status,
    concat_ws(', ', i.payment_intent_id, '{' || i.amount || ' ' || i.currency || '}')
FROM told_intents AS t
JOIN stripe_payment_intents AS i ON i.payment_intent_id = t.payment_intent_id
UNION ALL
SELECT t.order_id, c.created_at, 'Stripe', 'charge ' || c.status,
    concat_ws(', ', c.charge_id, '{' || c.amount || ' ' || c.currency || '}',
        CASE WHEN c.amount_refunded > 0
            THEN '{' || c.amount_refunded || ' ' || c.currency || '} given back' END)
FROM told_intents AS t JOIN stripe_charges AS c ON c.payment_intent_id = t.payment_intent_id
UNION ALL
SELECT t.order_id, r.created_at, 'Stripe', 'refund ' || r.status,
    concat_ws(', ', r.stripe_refund_id, r.amount || ' minor units',
        CASE WHEN r.refund_id IS NULL THEN 'not ours' END)
FROM told_intents AS t JOIN stripe_refunds AS r ON r.payment_intent_id = t.payment_intent_id
UNION ALL
SELECT t.order_id, d.created_at, 'Stripe', 'dispute ' || d.status,
    concat_ws(', ', d.stripe_dispute_id, d.amount || ' minor units')
FROM told_intents AS t JOIN stripe_disputes AS d ON d.payment_intent_id = t.payment_intent_id
UNION ALL
SELECT t.order_id, e.created_at, 'Stripe', e.type, concat_ws(', ', e.stripe_event_id, e.object_id)
FROM told_objects AS t JOIN stripe_events AS e ON e.object_id = t.object_id
UNION ALL
SELECT t.order_id, NULL, 'Stripe', 'POST ' || q.path,
    concat_ws(', ', 'key ' || coalesce(q.idempotency_key, 'none'), q.request_id,
        CASE WHEN q.executed THEN 'executed' ELSE 'not executed' END)
FROM told_objects AS t JOIN stripe_requests AS q ON q.object_id = t.object_id;
