-- id: I05
-- title: the outbox is empty
-- asks: every event left the outbox, or was set aside as unpublishable on record. Where events leave by change data capture none is ever marked, and I06 asks for all of them.
-- required: 0 events unpublished
-- needs: orders, outbox, outbox.published, dead_letters?
-- examined: events of judged orders

-- violations
SELECT e.event_id AS subject, e.order_id, e.amount, e.currency,
    e.event_type || ' of ' || e.order_id || ' is still unpublished' AS detail, e.created_at AS happened_at
FROM judged_events AS e CROSS JOIN judgement AS j
WHERE NOT j.change_data_capture AND NOT e.published
    AND NOT EXISTS (
        SELECT 1 FROM dead_letters AS d WHERE d.source = 'outbox' AND d.event_id = e.event_id
    );

-- examined
SELECT COUNT(*) FROM judged_events AS e CROSS JOIN judgement AS j WHERE NOT j.change_data_capture;
