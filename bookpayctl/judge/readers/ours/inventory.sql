-- Stock.
SELECT
    sku,
    initial,
    on_hand,
    reserved,
    sold,
    NULL AS unreadable
FROM inventory
