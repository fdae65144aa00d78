-- What several invariants ask of: the ledgers joined once, in standard SQL.
--
-- Each table is made when an invariant is first to be asked, and stands on the ones above it. Names
-- of events, topics and states are those of runtime/domain/names.py, which a test holds them to.

-- Where each type of event is published.
CREATE TABLE event_topics AS
SELECT * FROM (VALUES
    ('OrderPlaced', 'orders.placed'),
    ('OrderPaid', 'orders.paid'),
    ('OrderCancelled', 'orders.cancelled'),
    ('PaymentCompleted', 'payments.completed'),
    ('PaymentFailed', 'payments.failed'),
    ('PaymentRefunded', 'payments.refunded'),
    ('PaymentParked', 'orders.placed.dlq')
) AS known (event_type, topic)
WHERE NOT EXISTS (SELECT 1 FROM judgement AS j WHERE j.mapping IS NOT NULL)
UNION ALL
SELECT event_type, topic FROM declared_topics;

-- Topics whose events customers are told of.
CREATE TABLE told_topics AS
SELECT * FROM (VALUES
    ('orders.cancelled'), ('orders.paid'), ('payments.refunded')
) AS known (topic);

-- The judge's own transition relation, written from the protocol and not taken from the runtime: an
-- error in the runtime's table must not excuse itself. A step to the same state is a note on it: a
-- lease taken over, a cancellation asked for, a refund that failed. Final states take no notes. A
-- record older than a key's life is born unknown, and what a person has to look at is parked.
CREATE TABLE allowed_steps AS
SELECT * FROM (VALUES
    ('order', '', 'pending'),
    ('order', 'pending', 'paid'), ('order', 'pending', 'cancelled'),
    ('order', 'paid', 'cancelled'),
    ('order', 'cancelled', 'refunded'),
    ('payment', '', 'pending'), ('payment', '', 'failed'), ('payment', '', 'unknown'),
    ('payment', 'pending', 'charging'), ('payment', 'pending', 'failed'),
    ('payment', 'pending', 'parked'), ('payment', 'pending', 'succeeded'),
    ('payment', 'pending', 'processing'), ('payment', 'pending', 'unknown'),
    ('payment', 'charging', 'charging'), ('payment', 'charging', 'succeeded'),
    ('payment', 'charging', 'failed'), ('payment', 'charging', 'processing'),
    ('payment', 'charging', 'unknown'), ('payment', 'charging', 'pending'),
    ('payment', 'charging', 'parked'),
    ('payment', 'processing', 'processing'), ('payment', 'processing', 'succeeded'),
    ('payment', 'processing', 'failed'), ('payment', 'processing', 'parked'),
    ('payment', 'unknown', 'unknown'), ('payment', 'unknown', 'charging'),
    ('payment', 'unknown', 'succeeded'), ('payment', 'unknown', 'failed'),
    ('payment', 'unknown', 'processing'), ('payment', 'unknown', 'pending'),
    ('payment', 'unknown', 'parked'),
    ('payment', 'parked', 'parked'), ('payment', 'parked', 'pending'),
    ('payment', 'parked', 'processing'), ('payment', 'parked', 'succeeded'),
    ('payment', 'parked', 'failed'),
    ('payment', 'succeeded', 'refunding'),
    ('payment', 'failed', 'refunding'),
    ('payment', 'refunding', 'refunding'), ('payment', 'refunding', 'refunded')
) AS known (kind, from_state, to_state);

-- Every order that is no probe of a run; `judged` when it is old enough. What is not dated is judged,
-- unless only what is younger than a time is: then its money may be older than what was listed.
CREATE TABLE customers_orders AS
SELECT o.*,
    (o.created_at IS NULL OR o.created_at < j.cut_off OR o.created_at > j.ahead_from)
        AND (j.since IS NULL OR COALESCE(o.created_at >= j.since, FALSE))
        AND (j.sample_below IS NULL OR MD5(o.order_id) < j.sample_below) AS judged
FROM orders AS o CROSS JOIN judgement AS j
WHERE NOT EXISTS (SELECT 1 FROM probes AS p WHERE p.kind = 'client_key' AND p.id = o.client_key);

CREATE TABLE judged_orders AS
SELECT * FROM customers_orders WHERE judged;

CREATE TABLE judged_payments AS
SELECT p.* FROM payments AS p
WHERE EXISTS (SELECT 1 FROM judged_orders AS o WHERE o.order_id = p.order_id);

-- Events of judged orders, without those that probes put there.
CREATE TABLE judged_events AS
SELECT e.*, t.topic
FROM outbox AS e
LEFT JOIN event_topics AS t ON t.event_type = e.event_type
WHERE EXISTS (SELECT 1 FROM judged_orders AS o WHERE o.order_id = e.order_id)
    AND NOT EXISTS (SELECT 1 FROM probes AS p WHERE p.kind = 'event' AND p.id = e.event_id);

-- PaymentIntents. `ours`: this environment made it; one that lost its `env` is still ours when it
-- names an order or event, for others may share the account. `only_shadowed`: it says so itself, and
-- so do our tables, and no payment of ours acts on it; its word alone excuses nothing, for anybody
-- may write metadata.
CREATE TABLE all_intents AS
SELECT i.*,
    CASE
        WHEN i.environment IS NOT NULL THEN i.environment = j.environment
        ELSE i.order_id IS NOT NULL OR i.event_id IS NOT NULL
    END AS ours,
    i.shadow
        AND EXISTS (SELECT 1 FROM shadows AS s WHERE s.event_id = i.event_id)
        AND NOT EXISTS (
            SELECT 1 FROM payments AS p
            WHERE p.payment_intent_id = i.payment_intent_id
                AND NOT EXISTS (
                    SELECT 1 FROM shadows AS s
                    WHERE s.v1_payment_intent_id = p.payment_intent_id
                )
        ) AS only_shadowed
FROM stripe_payment_intents AS i CROSS JOIN judgement AS j;

-- Without the shadows: v1 took that money, not we.
CREATE TABLE intents AS
SELECT * FROM all_intents WHERE only_shadowed IS DISTINCT FROM TRUE;

-- Whose order a PaymentIntent is: by Stripe's metadata, by our row where that is silent.
CREATE TABLE intent_orders AS
SELECT i.payment_intent_id, i.order_id FROM intents AS i WHERE i.order_id <> ''
UNION ALL
SELECT p.payment_intent_id, p.order_id FROM payments AS p
WHERE p.payment_intent_id <> ''
    AND NOT EXISTS (
        SELECT 1 FROM intents AS i
        WHERE i.payment_intent_id = p.payment_intent_id AND i.order_id <> ''
    );

-- Charges that were made for a PaymentIntent; `order_id` is NULL for one of no order.
CREATE TABLE order_charges AS
SELECT x.order_id, c.charge_id, c.payment_intent_id, c.status, c.amount, c.currency, c.created_at,
    i.ours
FROM stripe_charges AS c
JOIN intents AS i ON i.payment_intent_id = c.payment_intent_id
LEFT JOIN intent_orders AS x ON x.payment_intent_id = c.payment_intent_id;

CREATE TABLE our_refund_ids AS
SELECT refund_id AS id FROM refunds
UNION
SELECT stripe_refund_id AS id FROM refunds WHERE stripe_refund_id IS NOT NULL;

-- Refunds at Stripe by order. `ours`: a row of ours asked for it. `known`: our tables have it as one
-- that others made, with this amount.
CREATE TABLE order_refunds AS
SELECT x.order_id, r.stripe_refund_id, r.status, r.amount, r.created_at,
    COALESCE(r.stripe_refund_id IN (SELECT id FROM our_refund_ids), FALSE)
        OR COALESCE(r.refund_id IN (SELECT id FROM our_refund_ids), FALSE) AS ours,
    k.stripe_refund_id IS NOT NULL AS has_row,
    COALESCE(k.amount = r.amount, FALSE) AS known,
    r.created_at IS NULL OR r.created_at < j.stripe_cut_off
        OR r.created_at > j.stripe_ahead_from AS due
FROM stripe_refunds AS r
JOIN intent_orders AS x ON x.payment_intent_id = r.payment_intent_id
LEFT JOIN outside_refunds AS k ON k.stripe_refund_id = r.stripe_refund_id
CROSS JOIN judgement AS j;

-- What a dispute's status means for the money: Stripe takes the amount when one opens and gives it
-- back when it is won; a warning, an inquiry, takes nothing. A word of next year is taken for open:
-- then the money is missed, not held by assumption.
CREATE TABLE dispute_words AS
SELECT status,
    CASE
        WHEN status = 'lost' THEN 'lost'
        WHEN status IN ('won', 'prevented', 'charge_refunded') OR status LIKE 'warning%' THEN 'none'
        ELSE 'open'
    END AS stands
FROM (SELECT status FROM stripe_disputes UNION SELECT status FROM disputes) AS said;

-- Disputes at Stripe by order. `known`: our tables say the same of it. It is as old as Stripe's last
-- news of it: one that was lost today may have been opened long ago.
CREATE TABLE order_disputes AS
SELECT x.order_id, d.stripe_dispute_id, d.status, d.amount, w.stands,
    COALESCE(k.amount = d.amount AND kw.stands = w.stands, FALSE) AS known,
    COALESCE(n.last_at, d.created_at) IS NULL
        OR COALESCE(n.last_at, d.created_at) < j.stripe_cut_off
        OR COALESCE(n.last_at, d.created_at) > j.stripe_ahead_from AS due,
    d.created_at
FROM stripe_disputes AS d
JOIN dispute_words AS w ON w.status = d.status
LEFT JOIN stripe_charges AS c ON c.charge_id = d.charge_id
    AND EXISTS (SELECT 1 FROM intents AS i WHERE i.payment_intent_id = c.payment_intent_id)
JOIN intent_orders AS x
    ON x.payment_intent_id = COALESCE(NULLIF(d.payment_intent_id, ''), c.payment_intent_id)
LEFT JOIN disputes AS k ON k.stripe_dispute_id = d.stripe_dispute_id
LEFT JOIN dispute_words AS kw ON kw.status = k.status
LEFT JOIN (
    SELECT object_id, MAX(created_at) AS last_at FROM stripe_events GROUP BY object_id
) AS n ON n.object_id = d.stripe_dispute_id
CROSS JOIN judgement AS j;

-- Money of an order that the shop does not hold any more because others took it: disputes that
-- stand, and refunds that are not ours.
CREATE TABLE gone AS
SELECT d.order_id, d.amount, o.currency, d.known, d.due, d.created_at AS happened_at,
    '{' || CAST(d.amount AS VARCHAR) || ' ' || o.currency || '} not held any more: dispute '
        || d.stripe_dispute_id || ' is ' || d.status AS words
FROM order_disputes AS d JOIN customers_orders AS o ON o.order_id = d.order_id
WHERE d.stands IN ('open', 'lost')
UNION ALL
SELECT r.order_id, r.amount, o.currency, r.known, r.due, r.created_at AS happened_at,
    '{' || CAST(r.amount AS VARCHAR) || ' ' || o.currency || '} given back outside by '
        || r.stripe_refund_id AS words
FROM order_refunds AS r JOIN customers_orders AS o ON o.order_id = r.order_id
WHERE r.status IN ('succeeded', 'pending') AND NOT r.ours;

-- What the shop holds of an order's money at Stripe: charged less given back less withdrawn.
CREATE TABLE nets AS
SELECT order_id, SUM(amount) AS net
FROM (
    SELECT order_id, amount FROM order_charges WHERE status = 'succeeded'
    UNION ALL
    SELECT order_id, -amount FROM order_refunds WHERE status IN ('succeeded', 'pending')
    UNION ALL
    SELECT order_id, -amount FROM order_disputes WHERE stands IN ('open', 'lost')
) AS moved
WHERE order_id IS NOT NULL
GROUP BY order_id;

-- Payments whose money v1 took, at a Stripe that is not judged.
CREATE TABLE v1_payments AS
SELECT p.event_id, p.order_id FROM payments AS p
WHERE EXISTS (SELECT 1 FROM shadows AS s WHERE s.v1_payment_intent_id = p.payment_intent_id)
    AND EXISTS (SELECT 1 FROM shadows AS s WHERE s.event_id = p.event_id);

-- Payments that are open by right: their customer, a bank or Stripe has time left. Money goes back
-- when a dispute has ended, or when a refund that was made has arrived.
CREATE TABLE waiting_payments AS
SELECT p.event_id, p.order_id
FROM payments AS p CROSS JOIN judgement AS j
WHERE (
    p.state = 'refunding' AND (
        EXISTS (
            SELECT 1 FROM order_disputes AS d WHERE d.order_id = p.order_id AND d.stands = 'open'
        )
        OR EXISTS (
            SELECT 1 FROM order_refunds AS r
            WHERE r.order_id = p.order_id AND r.status IN ('pending', 'requires_action')
        )
    )
) OR (
    p.state = 'processing' AND (
        -- What is dated ahead of the clock would wait for ever.
        (p.created_at > j.waiting_since AND p.created_at <= j.ahead_from)
        OR EXISTS (
            SELECT 1 FROM intents AS i
            WHERE i.payment_intent_id = p.payment_intent_id AND i.status = 'processing'
        )
    )
);

-- Ids at Stripe of what is ours: PaymentIntents, and refunds made for them.
CREATE TABLE our_stripe_objects AS
SELECT payment_intent_id AS id FROM intents WHERE ours
UNION
SELECT r.stripe_refund_id AS id FROM stripe_refunds AS r
WHERE EXISTS (
    SELECT 1 FROM intents AS i WHERE i.ours AND i.payment_intent_id = r.payment_intent_id
);

-- The keys that our rows give rise to, each good for one operation.
CREATE TABLE our_keys AS
SELECT 'create' AS operation, event_id AS idempotency_key FROM payments
UNION ALL
SELECT 'cancel' AS operation, event_id || ':cancel' AS idempotency_key FROM payments
UNION ALL
SELECT 'refund' AS operation, idempotency_key FROM refunds;

-- Histories of judged orders and payments. Nearly all go the plain way, which counting shows without
-- putting their steps in order: as many steps as that way has, each of them there, one behind the
-- other. `plain_end` is where such a one ended; NULL for any other history. Refused events moved
-- nothing and are no steps.
CREATE TABLE order_histories AS
SELECT h.order_id, h.steps,
    CASE WHEN h.steps = 2 AND h.begun < h.ended THEN h.ended_as END AS plain_end
FROM (
    SELECT s.order_id, COUNT(*) AS steps,
        MAX(CASE WHEN s.from_state IS NULL AND s.to_state = 'pending' THEN s.step_number END)
            AS begun,
        MAX(CASE WHEN s.from_state = 'pending' AND s.to_state IN ('paid', 'cancelled')
            THEN s.step_number END) AS ended,
        MAX(CASE WHEN s.from_state = 'pending' AND s.to_state IN ('paid', 'cancelled')
            THEN s.to_state END) AS ended_as
    FROM order_steps AS s
    GROUP BY s.order_id
) AS h
WHERE EXISTS (SELECT 1 FROM judged_orders AS o WHERE o.order_id = h.order_id);

CREATE TABLE payment_histories AS
SELECT h.event_id, p.order_id, h.steps,
    CASE WHEN h.steps = 3 AND h.begun < h.taken AND h.taken < h.ended THEN h.ended_as END
        AS plain_end
FROM (
    SELECT s.event_id, COUNT(*) AS steps,
        MAX(CASE WHEN s.from_state IS NULL AND s.to_state = 'pending' THEN s.step_number END)
            AS begun,
        MAX(CASE WHEN s.from_state = 'pending' AND s.to_state = 'charging'
            THEN s.step_number END) AS taken,
        MAX(CASE WHEN s.from_state = 'charging' AND s.to_state IN ('succeeded', 'failed')
            THEN s.step_number END) AS ended,
        MAX(CASE WHEN s.from_state = 'charging' AND s.to_state IN ('succeeded', 'failed')
            THEN s.to_state END) AS ended_as
    FROM payment_steps AS s
    WHERE s.kind <> 'refused'
    GROUP BY s.event_id
) AS h
JOIN judged_payments AS p ON p.event_id = h.event_id;

CREATE TABLE judged_step_counts AS
SELECT COALESCE(SUM(steps), 0) AS steps FROM order_histories
UNION ALL
SELECT COALESCE(SUM(steps), 0) AS steps FROM payment_histories;

-- Of these steps the last one of each order or payment, and those that are no step of the protocol
-- or do not begin where the one before had ended: nearly all others agree with both and are not kept.
-- An order that was inserted by hand, as the chapter does, has no first step on record: what it has
-- begins where that one would have ended. Each part has one window, over one column: that is one sort.
CREATE TABLE telling_steps AS
WITH chained AS (
    SELECT 'order' AS kind, s.order_id, s.order_id AS subject, s.from_state, s.to_state, s.cause,
        s.happened_at,
        CASE
            WHEN ROW_NUMBER() OVER (PARTITION BY s.order_id ORDER BY s.step_number) > 1
                THEN LAG(s.to_state) OVER (PARTITION BY s.order_id ORDER BY s.step_number)
            WHEN s.from_state IS NOT NULL THEN 'pending'
        END AS reached,
        LEAD(1) OVER (PARTITION BY s.order_id ORDER BY s.step_number) IS NULL AS is_last
    FROM order_steps AS s
    WHERE EXISTS (
        SELECT 1 FROM order_histories AS h WHERE h.order_id = s.order_id AND h.plain_end IS NULL
    )
    UNION ALL
    SELECT 'payment' AS kind, h.order_id, s.event_id AS subject, s.from_state, s.to_state, s.cause,
        s.happened_at,
        LAG(s.to_state) OVER (PARTITION BY s.event_id ORDER BY s.step_number) AS reached,
        LEAD(1) OVER (PARTITION BY s.event_id ORDER BY s.step_number) IS NULL AS is_last
    FROM payment_steps AS s JOIN payment_histories AS h ON h.event_id = s.event_id
    WHERE s.kind <> 'refused' AND h.plain_end IS NULL
)
SELECT c.kind, c.order_id, c.subject, c.from_state, c.to_state, c.cause, c.happened_at, c.reached,
    c.is_last, a.kind IS NOT NULL AS allowed
FROM chained AS c
LEFT JOIN allowed_steps AS a ON a.kind = c.kind AND a.from_state = COALESCE(c.from_state, '')
    AND a.to_state = c.to_state
WHERE c.is_last OR a.kind IS NULL OR c.from_state IS DISTINCT FROM c.reached
UNION ALL
SELECT 'order' AS kind, h.order_id, h.order_id AS subject, 'pending' AS from_state,
    h.plain_end AS to_state, CAST(NULL AS VARCHAR) AS cause, CAST(NULL AS TIMESTAMP) AS happened_at,
    'pending' AS reached, TRUE AS is_last, TRUE AS allowed
FROM order_histories AS h
WHERE h.plain_end IS NOT NULL
UNION ALL
SELECT 'payment' AS kind, h.order_id, h.event_id AS subject, 'charging' AS from_state,
    h.plain_end AS to_state, CAST(NULL AS VARCHAR) AS cause, CAST(NULL AS TIMESTAMP) AS happened_at,
    'charging' AS reached, TRUE AS is_last, TRUE AS allowed
FROM payment_histories AS h
WHERE h.plain_end IS NOT NULL;
