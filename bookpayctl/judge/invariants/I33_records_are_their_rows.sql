-- id: I33
-- title: records are their rows
-- asks: a record has the key, topic and payload of its outbox row, each time it was sent. Change data capture writes the payload in its own way, so there nobody is asked.
-- required: each record has its row's key, topic and payload
-- needs: outbox, outbox.root_event_id, log_records
-- examined: records that have an outbox row

-- compared: each record that has a row, joined once for what differs and for how many there are; of
-- those in which nothing differs only that is kept
SELECT d.differs,
    CASE WHEN d.differs THEN d.order_id END AS order_id,
    CASE WHEN d.differs THEN d.recorded_at END AS recorded_at,
    CASE WHEN d.differs THEN
        d.topic || '/' || CAST(d.partition_number AS VARCHAR) || '/'
            || CAST(d.record_offset AS VARCHAR) || ' has another '
            || SUBSTRING(
                CASE WHEN d.another_topic THEN ' and topic' ELSE '' END
                || CASE WHEN d.another_key THEN ' and key' ELSE '' END
                || CASE WHEN d.another_payload THEN ' and payload' ELSE '' END
                FROM 6
            )
            || ' than its ' || d.event_type
    END AS detail
FROM (
    SELECT c.*, c.another_topic OR c.another_key OR c.another_payload AS differs
    FROM (
        SELECT e.order_id, e.event_type, r.topic, r.partition_number, r.record_offset,
            r.recorded_at,
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
    ) AS c
) AS d;

-- violations
SELECT c.order_id AS subject, c.order_id, 0 AS amount, CAST(NULL AS VARCHAR) AS currency, c.detail,
    c.recorded_at AS happened_at
FROM compared AS c
WHERE c.differs;

-- examined
SELECT COUNT(*) FROM compared;
