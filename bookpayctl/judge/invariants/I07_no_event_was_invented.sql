-- id: I07
-- title: no event was invented
-- asks: every record in our topics comes from an outbox row.
-- required: every record has an outbox row
-- needs: outbox, log_records
-- examined: records of our topics

-- violations
SELECT r.topic || '/' || CAST(r.partition_number AS VARCHAR) || '/'
        || CAST(r.record_offset AS VARCHAR) AS subject,
    r.order_id, COALESCE(r.amount, 0) AS amount, r.currency,
    'event ' || COALESCE(r.event_id, 'None') || ' is in no outbox row' AS detail,
    r.recorded_at AS happened_at
FROM log_records AS r
WHERE NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.event_id = r.event_id)
    AND NOT EXISTS (SELECT 1 FROM probes AS p WHERE p.kind = 'event' AND p.id = r.event_id)
    -- An id that could not be read may be in the outbox; then nobody knows.
    AND (r.event_id IS NOT NULL OR r.unreadable IS NULL);

-- examined
SELECT COUNT(*) FROM log_records;
