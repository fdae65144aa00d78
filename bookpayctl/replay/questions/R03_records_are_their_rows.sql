-- id: R03
-- title: records are their rows
-- asks: a record has the topic, key, payload and headers of its outbox row, each time it was sent.
-- required: each record has its row's topic, key, type, payload, aggregate, tenant and time
-- needs: records, events, asked
-- examined: records that have an outbox row
-- fix: bookpayctl audit

-- differing: only what differs is kept; a log of millions is compared without being copied
SELECT r.event_id, r.topic, r.partition_number, r.record_offset, r.recorded_ms, r.amount, r.currency,
    e.event_type AS row_type, e.order_id AS row_order_id,
    COALESCE(t.topic <> r.topic, TRUE) AS another_topic,
    CASE WHEN a.captured THEN r.record_key IS DISTINCT FROM e.event_id
        ELSE COALESCE(
            r.record_key IS DISTINCT FROM e.root_event_id AND e.root_event_id IS NOT NULL, FALSE
        ) END AS another_key,
    r.payload_sha256 IS DISTINCT FROM e.payload_sha256 AS another_payload,
    r.event_type IS DISTINCT FROM e.event_type AS another_type,
    r.aggregate IS DISTINCT FROM e.aggregate OR r.aggregate_id IS DISTINCT FROM e.aggregate_id
        AS another_aggregate,
    r.tenant_id IS DISTINCT FROM e.tenant_id AS another_tenant,
    -- Debezium writes a time in its own way, without the zeros at its end and with Z for its zone.
    CASE WHEN a.captured
        THEN TRY_CAST(REPLACE(r.created_text, 'Z', '') AS TIMESTAMP) IS DISTINCT FROM e.created_at
        ELSE r.created_text IS DISTINCT FROM e.created_text END AS another_time
FROM records AS r
CROSS JOIN asked AS a
JOIN events AS e ON e.event_id = r.event_id
LEFT JOIN event_topics AS t ON t.event_type = e.event_type
WHERE another_topic OR another_key OR another_type OR another_payload OR another_aggregate
    OR another_tenant OR another_time;

-- violations
SELECT r.event_id AS subject, r.row_order_id AS order_id, COALESCE(r.amount, 0) AS amount,
    r.currency,
    r.topic || '/' || CAST(r.partition_number AS VARCHAR) || '/' || CAST(r.record_offset AS VARCHAR)
        || ' has another '
        || SUBSTRING(
            CASE WHEN another_topic THEN ' and topic' ELSE '' END
            || CASE WHEN another_key THEN ' and key' ELSE '' END
            || CASE WHEN another_type THEN ' and type' ELSE '' END
            || CASE WHEN another_payload THEN ' and payload' ELSE '' END
            || CASE WHEN another_aggregate THEN ' and aggregate' ELSE '' END
            || CASE WHEN another_tenant THEN ' and tenant' ELSE '' END
            || CASE WHEN another_time THEN ' and time' ELSE '' END
            FROM 6
        )
        || ' than its ' || r.row_type AS detail,
    make_timestamp(r.recorded_ms * 1000) AS happened_at
FROM differing AS r;

-- examined
SELECT COUNT(*) FROM records AS r JOIN events AS e ON e.event_id = r.event_id;
