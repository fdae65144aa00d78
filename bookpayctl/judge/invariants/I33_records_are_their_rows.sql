-- id: I33
-- title: records are their rows
-- asks: a record has the key, topic and payload of its outbox row, each time it was sent. Change data capture writes the payload in its own way, so there nobody is asked.
-- required: each record has its row's key, topic and payload
-- needs: outbox, outbox.root_event_id, log_records
-- examined: records that have an outbox row

-- violations
WITH differing AS (
    SELECT e.order_id, e.event_type, r.topic, r.partition_number, r.record_offset, r.recorded_at,
        COALESCE(t.topic <> r.topic, FALSE) AS another_topic,
        -- The key of an event is its root, as a UUID is written; else also its own id.
        r.record_key IS DISTINCT FROM e.root_event_id
            AND (CHAR_LENGTH(e.root_event_id) = 36 OR r.record_key IS DISTINCT FROM e.event_id)
            AS another_key,
        COALESCE(r.payload_sha256 <> e.payload_sha256, FALSE) AS another_payload
    FROM outbox AS e
    JOIN log_records AS r ON r.event_id = e.event_id
    LEFT JOIN event_topics AS t ON t.event_type = e.event_type
    CROSS JOIN judgement AS j
    WHERE NOT j.change_data_capture AND r.event_id <> ''
)
SELECT order_id AS subject, order_id, 0 AS amount, CAST(NULL AS VARCHAR) AS currency,
    topic || '/' || CAST(partition_number AS VARCHAR) || '/' || CAST(record_offset AS VARCHAR)
        || ' has another '
        || SUBSTRING(
            CASE WHEN another_topic THEN ' and topic' ELSE '' END
            || CASE WHEN another_key THEN ' and key' ELSE '' END
            || CASE WHEN another_payload THEN ' and payload' ELSE '' END
            FROM 6
        )
        || ' than its ' || event_type AS detail,
    recorded_at AS happened_at
FROM differing
WHERE another_topic OR another_key OR another_payload;

-- examined
SELECT COUNT(*)
FROM outbox AS e JOIN log_records AS r ON r.event_id = e.event_id CROSS JOIN judgement AS j
WHERE NOT j.change_data_capture AND r.event_id <> '';
