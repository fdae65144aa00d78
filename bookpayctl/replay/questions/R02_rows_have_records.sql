-- id: R02
-- title: rows have records
-- asks: every event that was marked published before the log was looked at has a record, for as long as its topic promised to keep it, and for as long as the log reaches back. A range that is no time (an offset, the newest so many) does not say which rows lie in it: nobody is asked there.
-- required: no published row of the range without its record
-- needs: events, records, partitions, asked
-- examined: published events that the range must have
-- excuses: published events that were trimmed, or lie within 5 s of the range's edges
-- fix: bookpayctl audit

-- reached: where a topic was trimmed, younger than what each partition begins with must be there
SELECT topic, MAX(kept_seconds) AS kept_seconds, BOOL_OR(kept_seconds IS NULL) AS kept_for_ever,
    BOOL_AND(low_offset = 0) AS untrimmed,
    CASE WHEN COUNT(*) FILTER (WHERE low_offset > 0)
            = COUNT(retained_since) FILTER (WHERE low_offset > 0)
        THEN MAX(retained_since) FILTER (WHERE low_offset > 0) END AS retained_since
FROM partitions GROUP BY topic;

-- published
SELECT e.event_id, e.event_type, e.order_id, e.amount, e.currency, e.created_at, t.topic,
    (a.since_at IS NULL OR COALESCE(e.created_at >= a.since_at + INTERVAL 5 SECOND, TRUE))
        AND (a.until_at IS NULL OR e.published_at < a.until_at - INTERVAL 5 SECOND)
        AND (
            t.untrimmed OR t.kept_for_ever OR e.created_at IS NULL
            OR COALESCE(e.created_at > t.retained_since, FALSE)
            OR e.created_at > a.began_at - INTERVAL 1 SECOND * t.kept_seconds
        ) AS due,
    (a.since_at IS NULL OR COALESCE(e.published_at >= a.since_at, TRUE))
        AND (a.until_at IS NULL OR e.created_at < a.until_at) AS near
FROM events AS e
JOIN event_topics AS k ON k.event_type = e.event_type
JOIN reached AS t ON t.topic = k.topic
CROSS JOIN asked AS a
WHERE a.by_time AND e.published_at < a.began_at;

-- violations
SELECT p.event_id AS subject, p.order_id, COALESCE(p.amount, 0) AS amount, p.currency,
    p.event_type || ' of ' || COALESCE(p.order_id, 'no order') || ' is marked published, not in '
        || p.topic AS detail,
    p.created_at AS happened_at
FROM published AS p
WHERE p.due AND NOT EXISTS (
    SELECT 1 FROM records AS r WHERE r.event_id = p.event_id AND r.topic = p.topic
);

-- examined
SELECT COUNT(*) FROM published WHERE due;

-- excused
SELECT CAST(NULL AS BIGINT) AS amount, CAST(NULL AS VARCHAR) AS currency
FROM published WHERE near AND NOT due;
