-- id: R01
-- title: records have rows
-- asks: every retained record is of an event that the outbox has. Records that a run of this tool put there on purpose are left out.
-- required: no record without its row in the outbox
-- needs: records, events
-- examined: records that are events of ours
-- fix: bookpayctl audit

-- violations
SELECT r.event_id AS subject, r.order_id, COALESCE(r.amount, 0) AS amount, r.currency,
    r.topic || '/' || CAST(r.partition_number AS VARCHAR) || '/' || CAST(r.record_offset AS VARCHAR)
        || ' is ' || COALESCE(r.event_type, 'an event of no type') || ', which the outbox has not'
        AS detail,
    make_timestamp(r.recorded_ms * 1000) AS happened_at
FROM records AS r
WHERE r.problem IS NULL
    AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.event_id = r.event_id)
    AND NOT EXISTS (SELECT 1 FROM probes AS p WHERE p.event_id = r.event_id);

-- examined
SELECT COUNT(*) FROM records WHERE problem IS NULL;
