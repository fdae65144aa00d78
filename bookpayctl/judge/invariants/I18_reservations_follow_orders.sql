-- id: I18
-- title: reservations follow orders
-- asks: pending orders hold their stock, paid ones sold it, cancelled ones gave it back.
-- required: held if pending, sold if paid, else released
-- needs: orders, reservations
-- examined: reservations of judged orders

-- violations
SELECT o.order_id AS subject, o.order_id, 0 AS amount, o.currency,
    'order ' || o.status || ', ' || r.sku || ' is ' || r.state AS detail, o.created_at AS happened_at
FROM reservations AS r JOIN judged_orders AS o ON o.order_id = r.order_id
WHERE r.state IS DISTINCT FROM
    CASE o.status
        WHEN 'pending' THEN 'held'
        WHEN 'paid' THEN 'sold'
        WHEN 'cancelled' THEN 'released'
        WHEN 'refunded' THEN 'released'
    END;

-- examined
SELECT COUNT(*) FROM reservations AS r
WHERE EXISTS (SELECT 1 FROM judged_orders AS o WHERE o.order_id = r.order_id);
