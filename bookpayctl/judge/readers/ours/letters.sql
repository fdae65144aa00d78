-- Letters to customers that were sent.
SELECT
    event_id::text AS event_id,
    NULL AS unreadable
FROM notifications
WHERE sent_at IS NOT NULL
