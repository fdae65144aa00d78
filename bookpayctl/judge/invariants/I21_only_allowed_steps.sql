-- id: I21
-- title: only allowed steps
-- asks: every recorded step of an order or payment is one the protocol knows.
-- required: every transition is in the protocol
-- needs: orders, order_steps, payments, payment_steps
-- examined: steps of judged orders and their payments

-- violations
SELECT s.order_id AS subject, s.order_id, 0 AS amount, CAST(NULL AS VARCHAR) AS currency,
    COALESCE(s.from_state, 'None') || ' -> ' || s.to_state || ' by ' || s.cause AS detail, s.happened_at
FROM telling_steps AS s
WHERE NOT s.allowed;

-- examined
SELECT SUM(steps) FROM judged_step_counts;
