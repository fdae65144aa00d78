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

-- beginnings: what a topic that was trimmed may have lost is not younger than this
SELECT t.topic,
    CASE
        WHEN t.readable_since < j.read_at - INTERVAL '1' SECOND * CAST(COALESCE(k.seconds, 604800) AS BIGINT)
            THEN t.readable_since
        ELSE j.read_at - INTERVAL '1' SECOND * CAST(COALESCE(k.seconds, 604800) AS BIGINT)
    END AS lost_until
FROM trimmed AS t
CROSS JOIN judgement AS j
LEFT JOIN kept AS k ON k.topic = t.topic
WHERE NOT COALESCE(k.for_ever, FALSE);

-- violations
SELECT e.event_id AS subject, e.order_id, 0 AS amount, e.currency,
    e.event_type || ' of ' || e.order_id || ' is marked published, not in ' || e.topic AS detail,
    e.created_at AS happened_at
FROM judged_events AS e
CROSS JOIN judgement AS j
WHERE (e.published OR j.change_data_capture) AND e.topic IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM log_records AS r WHERE r.event_id = e.event_id AND r.topic = e.topic
    )
    AND NOT EXISTS (
        SELECT 1 FROM beginnings AS b WHERE b.topic = e.topic AND b.lost_until >= e.created_at
    );

-- examined
SELECT COUNT(*) FROM judged_events AS e
CROSS JOIN judgement AS j
LEFT JOIN beginnings AS b ON b.topic = e.topic
WHERE (e.published OR j.change_data_capture)
    AND (b.topic IS NULL OR e.created_at IS NULL OR e.created_at > b.lost_until);

-- excused
SELECT CAST(NULL AS BIGINT) AS amount, CAST(NULL AS VARCHAR) AS currency
FROM judged_events AS e
CROSS JOIN judgement AS j
JOIN beginnings AS b ON b.topic = e.topic AND b.lost_until >= e.created_at
WHERE e.published OR j.change_data_capture;
