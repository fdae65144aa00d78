-- id: R04
-- title: a key keeps its partition
-- asks: all events of one order lie in one partition of a topic, in which alone they have an order.
-- required: no key in two partitions of a topic
-- needs: records
-- examined: keys of records that are events of ours
-- fix: bookpayctl audit

-- scattered
SELECT topic, record_key FROM records
WHERE problem IS NULL AND record_key IS NOT NULL
GROUP BY topic, record_key HAVING MIN(partition_number) <> MAX(partition_number);

-- violations
SELECT r.record_key AS subject, ANY_VALUE(r.order_id) AS order_id,
    COALESCE(MAX(r.amount), 0) AS amount, ANY_VALUE(r.currency) AS currency,
    r.topic || ' has the key in partitions '
        || STRING_AGG(DISTINCT CAST(r.partition_number AS VARCHAR), ', '
            ORDER BY CAST(r.partition_number AS VARCHAR)) AS detail,
    MIN(make_timestamp(r.recorded_ms * 1000)) AS happened_at
FROM records AS r
JOIN scattered AS s ON s.topic = r.topic AND s.record_key = r.record_key
WHERE r.problem IS NULL
GROUP BY r.topic, r.record_key;

-- examined
SELECT COUNT(DISTINCT record_key) FROM records WHERE problem IS NULL;
