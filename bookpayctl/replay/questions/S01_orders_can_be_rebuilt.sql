-- id: S01
-- title: orders can be rebuilt from the log
-- asks: each order that was placed in the range, with what the log tells of its order, is the row of the live table: tenant, amount, currency, root and status. What is moving is waited for: an event that is not published, or younger than 10 s.
-- required: the digest of the rebuilt orders is that of the live ones
-- needs: records, orders
-- examined: orders of orders that were placed in the range and are at rest
-- fix: bookpayctl replay --mode verify

-- violations
SELECT b.order_id AS subject, b.order_id, COALESCE(b.told_amount, 0) AS amount,
    b.told_currency AS currency,
    CASE WHEN b.missing THEN 'the log tells ' || b.rebuilt_row || ', the live table has no order'
        ELSE 'the log tells ' || b.rebuilt_row || ', the live table ' || b.live_row END AS detail,
    make_timestamp(b.placed_ms * 1000) AS happened_at
FROM both_orders AS b
WHERE b.missing OR b.rebuilt_row <> b.live_row;

-- examined
SELECT COUNT(*) FROM both_orders;

-- waiting
SELECT COUNT(*) FROM rebuilt.orders AS r JOIN in_flight AS f ON f.order_id = r.order_id;
