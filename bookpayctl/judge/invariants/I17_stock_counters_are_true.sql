-- id: I17
-- title: stock counters are true
-- asks: a sku's reserved and sold counters are the sums of its reservations.
-- required: counters equal the sums of reservations
-- needs: inventory, reservations
-- examined: what is sold, by sku

-- violations
WITH sums AS (
    SELECT i.sku, i.reserved, i.sold, COALESCE(r.held, 0) AS held, COALESCE(r.gone, 0) AS gone
    FROM inventory AS i
    LEFT JOIN (
        SELECT sku,
            SUM(CASE WHEN state = 'held' THEN quantity ELSE 0 END) AS held,
            SUM(CASE WHEN state = 'sold' THEN quantity ELSE 0 END) AS gone
        FROM reservations GROUP BY sku
    ) AS r ON r.sku = i.sku
)
SELECT sku AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency,
    'reserved ' || CAST(reserved AS VARCHAR) || ', reservations ' || CAST(held AS VARCHAR)
        AS detail,
    CAST(NULL AS TIMESTAMP) AS happened_at
FROM sums
WHERE reserved <> held
UNION ALL
SELECT sku AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency,
    'sold ' || CAST(sold AS VARCHAR) || ', reservations ' || CAST(gone AS VARCHAR) AS detail,
    CAST(NULL AS TIMESTAMP) AS happened_at
FROM sums
WHERE sold <> gone;

-- examined
SELECT COUNT(*) FROM inventory;
