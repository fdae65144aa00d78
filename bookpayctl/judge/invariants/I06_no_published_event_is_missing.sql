-- id: I06
-- title: no published event is missing
-- asks: every event marked published is in its topic, for as long as the topic promised. Where the topic's log begins excuses only what is older than that: records that were trimmed before their time are missing.
-- required: every published event is in its topic
-- needs: orders, outbox, outbox.published, log_records, log_partitions
-- examined: published events of judged orders that their topic still has to have
-- excuses: events older than their topic keeps records

-- trimmed: an event is somewhere in its topic, so it must be there if it is younger than what any
-- partition that was trimmed still begins with; one that was emptied begins with nothing
SELECT topic, CASE WHEN COUNT(*) = COUNT(oldest_at) THEN MAX(oldest_at) END AS readable_since
FROM log_partitions WHERE low_offset > 0 GROUP BY topic;

-- kept: a setting below the seven days that every environment promises does not lower the promise,
-- nor does one that nobody could read: engines differ in what GREATEST makes of NULL, and in whether
-- integers are divided as such
SELECT topic, retention_ms = -1 AS for_ever,
    GREATEST(604800, LEAST(FLOOR(COALESCE(retention_ms, 604800000) / 1000), 31536000000)) AS seconds
FROM log_topics;

-- published
SELECT e.event_id, e.event_type, e.order_id, e.currency, e.topic, e.created_at,
    t.topic IS NULL OR e.created_at IS NULL OR COALESCE(k.for_ever, FALSE)
        OR e.created_at
            > j.read_at - INTERVAL '1' SECOND * CAST(COALESCE(k.seconds, 604800) AS BIGINT)
        OR COALESCE(e.created_at > t.readable_since, FALSE) AS readable
FROM judged_events AS e
CROSS JOIN judgement AS j
LEFT JOIN trimmed AS t ON t.topic = e.topic
LEFT JOIN kept AS k ON k.topic = e.topic
WHERE e.published OR j.change_data_capture;

-- violations
SELECT p.event_id AS subject, p.order_id, 0 AS amount, p.currency,
    p.event_type || ' of ' || p.order_id || ' is marked published, not in ' || p.topic AS detail,
    p.created_at AS happened_at
FROM published AS p
WHERE p.readable AND p.topic IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM log_records AS r WHERE r.event_id = p.event_id AND r.topic = p.topic
    );

-- examined
SELECT COUNT(*) FROM published WHERE readable;

-- excused
SELECT CAST(NULL AS BIGINT) AS amount, CAST(NULL AS VARCHAR) AS currency
FROM published WHERE NOT readable;
