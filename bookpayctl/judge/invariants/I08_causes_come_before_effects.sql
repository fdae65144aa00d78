-- id: I08
-- title: causes come before effects
-- asks: an event's cause exists and was written no later than the event itself.
-- required: every event has an older cause
-- needs: orders, outbox, outbox.created_at
-- examined: events of judged orders that have a cause

-- violations
WITH causes AS (
    SELECT * FROM (VALUES
        ('PaymentCompleted', 'OrderPlaced', 'OrderPlaced'),
        ('PaymentFailed', 'OrderPlaced', 'OrderPlaced'),
        ('OrderPaid', 'PaymentCompleted', 'PaymentCompleted'),
        ('PaymentRefunded', 'PaymentCompleted', 'PaymentCompleted or PaymentFailed'),
        ('PaymentRefunded', 'PaymentFailed', 'PaymentCompleted or PaymentFailed')
    ) AS known (event_type, cause, words)
), begun AS (
    SELECT e.order_id, c.event_type, MIN(e.created_at) AS first_at
    FROM judged_events AS e JOIN causes AS c ON c.cause = e.event_type
    GROUP BY e.order_id, c.event_type
), effects AS (
    SELECT DISTINCT event_type, words FROM causes
)
SELECT e.order_id AS subject, e.order_id, COALESCE(e.amount, 0) AS amount, e.currency,
    CASE
        WHEN b.order_id IS NULL THEN e.event_type || ' without ' || f.words
        ELSE e.event_type || ' is older than its cause'
    END AS detail,
    e.created_at AS happened_at
FROM judged_events AS e
JOIN effects AS f ON f.event_type = e.event_type
LEFT JOIN begun AS b ON b.order_id = e.order_id AND b.event_type = e.event_type
WHERE b.order_id IS NULL OR b.first_at > e.created_at;

-- examined
SELECT COUNT(*) FROM judged_events
WHERE event_type IN ('PaymentCompleted', 'PaymentFailed', 'OrderPaid', 'PaymentRefunded');
