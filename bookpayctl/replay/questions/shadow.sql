-- Orders and payments as the log tells them, in a schema of the engine's own, and beside them what the
-- live tables say. Each side is folded by its own events: an order by those of orders, a payment by
-- those of payments and by the cancellation that asks its money back.

CREATE SCHEMA rebuilt;

-- Each event once, however often it was sent.
CREATE TABLE told AS
SELECT * EXCLUDE (nth) FROM (
    SELECT r.*, ROW_NUMBER() OVER (
        PARTITION BY r.event_id, r.event_type
        ORDER BY r.recorded_ms, r.partition_number, r.record_offset
    ) AS nth
    FROM records AS r
    WHERE r.problem IS NULL AND r.order_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM probes AS p WHERE p.event_id = r.event_id)
) AS numbered
WHERE nth = 1;

-- What is moving cannot be compared: an event that is not in the log yet, or that its readers may
-- not have come to.
CREATE TABLE in_flight AS
SELECT DISTINCT e.order_id
FROM events AS e CROSS JOIN asked AS a
WHERE e.published_at IS NULL OR e.published_at >= a.began_at
    OR e.created_at > a.began_at - INTERVAL 10 SECOND;

-- An order is there when it was placed; the rest of what happened to it comes after that.
CREATE TABLE placed AS
SELECT order_id, ARG_MIN(root_event_id, recorded_ms) AS event_id,
    ARG_MIN(tenant_id, recorded_ms) AS tenant_id, ARG_MIN(amount, recorded_ms) AS amount,
    ARG_MIN(currency, recorded_ms) AS currency, MIN(recorded_ms) AS placed_ms
FROM told WHERE event_type = 'OrderPlaced' AND topic = 'orders.placed' AND recorded_ms IS NOT NULL
GROUP BY order_id;

CREATE TABLE steps AS
SELECT order_id,
    BOOL_OR(event_type = 'OrderPaid') AS paid,
    BOOL_OR(event_type = 'OrderCancelled') AS cancelled,
    BOOL_OR(event_type = 'PaymentCompleted') AS completed,
    BOOL_OR(event_type = 'PaymentFailed') AS failed,
    BOOL_OR(event_type = 'PaymentRefunded') AS refunded,
    ANY_VALUE(payment_intent_id) FILTER (WHERE event_type = 'PaymentCompleted') AS intent
FROM told GROUP BY order_id;

CREATE TABLE rebuilt.orders AS
SELECT p.order_id, p.tenant_id, p.amount, p.currency, p.event_id, p.placed_ms,
    CASE WHEN s.cancelled AND s.refunded THEN 'refunded'
        WHEN s.cancelled THEN 'cancelled'
        WHEN s.paid THEN 'paid'
        ELSE 'pending' END AS status
FROM placed AS p JOIN steps AS s ON s.order_id = p.order_id;

-- A payment under way is `open`: which attempt it is at, no event tells.
CREATE TABLE rebuilt.payments AS
SELECT p.event_id, p.order_id, p.tenant_id, p.amount, p.currency, p.placed_ms,
    CASE WHEN s.refunded THEN 'refunded'
        WHEN s.failed THEN 'failed'
        WHEN s.completed AND s.cancelled THEN 'refunding'
        WHEN s.completed THEN 'succeeded'
        ELSE 'open' END AS state,
    s.intent AS payment_intent_id
FROM placed AS p JOIN steps AS s ON s.order_id = p.order_id;

CREATE TABLE both_orders AS
SELECT r.order_id, r.amount AS told_amount, r.currency AS told_currency, r.placed_ms,
    CONCAT_WS('|', r.tenant_id, r.amount, r.currency, r.event_id, r.status) AS rebuilt_row,
    -- An order that was written by hand may name no event.
    CONCAT_WS('|', o.tenant_id, o.amount, o.currency,
        CASE WHEN o.order_id IS NOT NULL THEN COALESCE(o.event_id, r.event_id) END, o.status)
        AS live_row,
    o.order_id IS NULL AS missing
FROM rebuilt.orders AS r LEFT JOIN orders AS o ON o.order_id = r.order_id
WHERE NOT EXISTS (SELECT 1 FROM in_flight AS f WHERE f.order_id = r.order_id);

-- A late success of a failed payment is told when its money is back, so until then both are failed. An
-- intent that no event told of is compared with nothing.
CREATE TABLE both_payments AS
SELECT r.order_id, r.event_id, r.amount AS told_amount, r.currency AS told_currency, r.placed_ms,
    CONCAT_WS('|', r.tenant_id, r.amount, r.currency, r.event_id, r.state,
        COALESCE(r.payment_intent_id, '-')) AS rebuilt_row,
    CONCAT_WS('|', p.tenant_id, p.amount, p.currency, p.event_id,
        CASE WHEN p.state IN ('pending', 'charging', 'processing', 'unknown', 'parked') THEN 'open'
            WHEN p.state = 'refunding' AND r.state = 'failed' THEN 'failed'
            ELSE p.state END,
        CASE WHEN r.payment_intent_id IS NULL THEN '-'
            ELSE COALESCE(p.payment_intent_id, '') END) AS live_row,
    p.event_id IS NULL AS missing
FROM rebuilt.payments AS r LEFT JOIN payments AS p ON p.order_id = r.order_id
WHERE NOT EXISTS (SELECT 1 FROM in_flight AS f WHERE f.order_id = r.order_id);
