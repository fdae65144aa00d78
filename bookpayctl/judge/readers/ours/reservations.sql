-- Which order has which stock.
SELECT
    order_id,
    sku,
    quantity,
    state,
    NULL AS unreadable
FROM reservations
