-- id: I08
-- title: causes come before effects
-- asks: an event's cause exists and was written no later than the event itself.
-- required: every event has an older cause
-- needs: orders, outbox, outbox.created_at
-- examined: events of judged orders that have a cause

-- violations
WITH begun AS (
    SELECT order_id,
        SUM(CASE WHEN event_type = 'OrderPlaced' THEN 1 ELSE 0 END) AS placed,
        SUM(CASE WHEN event_type = 'PaymentCompleted' THEN 1 ELSE 0 END) AS completed,
        SUM(CASE WHEN event_type = 'PaymentFailed' THEN 1 ELSE 0 END) AS failed,
        MIN(CASE WHEN event_type = 'OrderPlaced' THEN created_at END) AS placed_at,
        MIN(CASE WHEN event_type = 'PaymentCompleted' THEN created_at END) AS completed_at,
        MIN(CASE WHEN event_type <> 'OrderPlaced' THEN created_at END) AS settled_at
    FROM judged_events
    WHERE event_type IN ('OrderPlaced', 'PaymentCompleted', 'PaymentFailed')
    GROUP BY order_id
), effects AS (
    SELECT e.order_id, e.event_type, e.amount, e.currency, e.created_at,
        CASE e.event_type
            WHEN 'OrderPaid' THEN 'PaymentCompleted'
            WHEN 'PaymentRefunded' THEN 'PaymentCompleted or PaymentFailed'
            ELSE 'OrderPlaced'
        END AS words,
        CASE e.event_type
            WHEN 'OrderPaid' THEN b.completed
            WHEN 'PaymentRefunded' THEN b.completed + b.failed
            ELSE b.placed
        END AS causes,
        CASE e.event_type
            WHEN 'OrderPaid' THEN b.completed_at
            WHEN 'PaymentRefunded' THEN b.settled_at
            ELSE b.placed_at
        END AS first_at
    FROM judged_events AS e LEFT JOIN begun AS b ON b.order_id = e.order_id
    WHERE e.event_type IN ('PaymentCompleted', 'PaymentFailed', 'OrderPaid', 'PaymentRefunded')
)
SELECT e.order_id AS subject, e.order_id, COALESCE(e.amount, 0) AS amount, e.currency,
    CASE
        WHEN COALESCE(e.causes, 0) = 0 THEN e.event_type || ' without ' || e.words
        ELSE e.event_type || ' is older than its cause'
    END AS detail,
    e.created_at AS happened_at
FROM effects AS e
WHERE COALESCE(e.causes, 0) = 0 OR e.first_at > e.created_at;

-- examined
SELECT COUNT(*) FROM judged_events
WHERE event_type IN ('PaymentCompleted', 'PaymentFailed', 'OrderPaid', 'PaymentRefunded');
