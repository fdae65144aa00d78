-- id: I36
-- title: customers were told
-- asks: every event that customers are told of has its letter, or a dead letter, on record.
-- required: a letter, or a dead letter, for each event of theirs
-- needs: orders, outbox, dead_letters?, letters
-- examined: published events that customers are told of

-- due
SELECT e.event_id, e.event_type, e.order_id, e.currency, e.created_at
FROM judged_events AS e
JOIN told_topics AS t ON t.topic = e.topic
CROSS JOIN judgement AS j
WHERE (e.published OR j.change_data_capture)
    AND (e.created_at IS NULL OR e.created_at < j.cut_off OR e.created_at > j.ahead_from);

-- violations
SELECT d.order_id AS subject, d.order_id, 0 AS amount, d.currency,
    'no letter for ' || d.event_type || ' ' || d.event_id AS detail, d.created_at AS happened_at
FROM due AS d
WHERE NOT EXISTS (SELECT 1 FROM letters AS l WHERE l.event_id = d.event_id)
    AND NOT EXISTS (SELECT 1 FROM dead_letters AS l WHERE l.event_id = d.event_id);

-- examined
SELECT COUNT(*) FROM due;
