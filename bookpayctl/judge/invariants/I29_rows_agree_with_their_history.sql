-- id: I29
-- title: rows agree with their history
-- asks: the state in the row is the end of its recorded steps.
-- required: row state = end of recorded steps
-- needs: orders, order_steps, payments, payment_steps
-- examined: judged orders and their payments

-- violations
-- An order inserted by hand, as the chapter does, has no first step on record.
SELECT o.order_id AS subject, o.order_id, 0 AS amount, o.currency,
    'order says ' || o.status || ', its steps end at ' || COALESCE(s.to_state, 'pending')
        AS detail,
    o.created_at AS happened_at
FROM judged_orders AS o
LEFT JOIN telling_steps AS s ON s.kind = 'order' AND s.subject = o.order_id AND s.is_last
WHERE o.status IS DISTINCT FROM COALESCE(s.to_state, 'pending')
UNION ALL
SELECT p.order_id AS subject, p.order_id, 0 AS amount, p.currency,
    'payment says ' || p.state || ', its steps end at ' || COALESCE(s.to_state, 'None') AS detail,
    p.created_at AS happened_at
FROM judged_payments AS p
LEFT JOIN telling_steps AS s ON s.kind = 'payment' AND s.subject = p.event_id AND s.is_last
WHERE p.state IS DISTINCT FROM s.to_state;

-- examined
SELECT (SELECT COUNT(*) FROM judged_orders) + (SELECT COUNT(*) FROM judged_payments);
