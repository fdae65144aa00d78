-- Letters to customers that are on record.
SELECT
    event_id::text AS event_id,
    NULL AS unreadable
FROM notifications
