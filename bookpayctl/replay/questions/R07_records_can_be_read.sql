-- id: R07
-- title: records can be read
-- asks: tombstones, records that cannot be read, and those of a version or type that nobody knows are not compared with anything; they are counted and told, with whoever set them aside.
-- required: every record is an event that its readers know
-- needs: records, dead_letters
-- examined: all records of the range
-- fix: bookpayctl dlq list

-- set_aside
SELECT topic, partition_number, record_offset, MIN(source || ' (' || reason || ')') AS who
FROM dead_letters WHERE record_offset IS NOT NULL
GROUP BY topic, partition_number, record_offset;

-- violations
SELECT 'nobody' AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency, CAST(NULL AS VARCHAR) AS detail,
    CAST(NULL AS TIMESTAMP) AS happened_at
WHERE FALSE;

-- explained
SELECT r.topic || '/' || CAST(r.partition_number AS VARCHAR) || '/' || CAST(r.record_offset AS VARCHAR) AS subject, r.order_id, 0 AS amount, CAST(NULL AS VARCHAR) AS currency,
    r.problem || COALESCE(', set aside by ' || s.who, ', which nobody has set aside') AS detail,
    make_timestamp(r.recorded_ms * 1000) AS happened_at
FROM records AS r
LEFT JOIN set_aside AS s ON s.topic = r.topic AND s.partition_number = r.partition_number
    AND s.record_offset = r.record_offset
WHERE r.problem IS NOT NULL;

-- examined
SELECT COUNT(*) FROM records;
