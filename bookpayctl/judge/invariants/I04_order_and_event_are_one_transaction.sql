-- id: I04
-- title: order and event are one transaction
-- asks: an order and its OrderPlaced were written together: exactly one each.
-- required: exactly 1 OrderPlaced per order
-- needs: orders, outbox
-- examined: judged orders

-- violations
SELECT o.order_id AS subject, o.order_id, o.amount, o.currency,
    CAST(COALESCE(e.events, 0) AS VARCHAR) || ' OrderPlaced events' AS detail, o.created_at AS happened_at
FROM judged_orders AS o
LEFT JOIN (
    SELECT order_id, COUNT(*) AS events FROM judged_events
    WHERE event_type = 'OrderPlaced' GROUP BY order_id
) AS e ON e.order_id = o.order_id
WHERE COALESCE(e.events, 0) <> 1;

-- examined
SELECT COUNT(*) FROM judged_orders;
