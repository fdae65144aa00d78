-- id: S03
-- title: live orders are in the log
-- asks: every order of the live table whose OrderPlaced was published lies in the log, for as long as its topic is not trimmed; where it was, or where the range begins at a time, only what is younger is asked about.
-- required: no live order that the log does not tell of
-- needs: records, orders, events
-- examined: live orders that the range must tell of
-- excuses: live orders that were placed before the range, or within 5 s of its beginning
-- fix: bookpayctl replay --mode verify

-- reach
SELECT BOOL_AND(low_offset = 0) AS untrimmed, MAX(retained_since) AS retained_since
FROM partitions WHERE topic = 'orders.placed';

-- expected
SELECT o.order_id, o.amount, o.currency, e.created_at,
    COALESCE(e.created_at >= a.since_at + INTERVAL 5 SECOND, TRUE)
        AND (COALESCE(t.untrimmed, FALSE) OR COALESCE(e.created_at > t.retained_since, FALSE)) AS due
FROM orders AS o
JOIN events AS e ON e.event_id = o.event_id
CROSS JOIN reach AS t CROSS JOIN asked AS a
WHERE e.published_at < a.began_at;

-- violations
SELECT x.order_id AS subject, x.order_id, x.amount, x.currency,
    'the live table has it, the log does not tell of it' AS detail, x.created_at AS happened_at
FROM expected AS x
WHERE x.due AND NOT EXISTS (SELECT 1 FROM placed AS p WHERE p.order_id = x.order_id);

-- examined
SELECT COUNT(*) FROM expected WHERE due;

-- excused
SELECT CAST(NULL AS BIGINT) AS amount, CAST(NULL AS VARCHAR) AS currency
FROM expected WHERE NOT due;
