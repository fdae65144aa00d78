-- id: I16
-- title: stock is conserved
-- asks: initial = on hand + reserved + sold, and none of them negative.
-- required: initial = on hand + reserved + sold, none negative
-- needs: inventory, inventory.initial, inventory.on_hand
-- examined: what is sold, by sku

-- violations
SELECT sku AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency,
    CAST(initial AS VARCHAR) || ' <> ' || CAST(on_hand AS VARCHAR) || ' + '
        || CAST(reserved AS VARCHAR) || ' + ' || CAST(sold AS VARCHAR) AS detail,
    CAST(NULL AS TIMESTAMP) AS happened_at
FROM inventory
WHERE initial <> on_hand + reserved + sold
UNION ALL
SELECT sku AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency,
    'negative: ' || CAST(on_hand AS VARCHAR) || ', ' || CAST(reserved AS VARCHAR) || ', '
        || CAST(sold AS VARCHAR) AS detail,
    CAST(NULL AS TIMESTAMP) AS happened_at
FROM inventory
WHERE on_hand < 0 OR reserved < 0 OR sold < 0;

-- examined
SELECT COUNT(*) FROM inventory;
