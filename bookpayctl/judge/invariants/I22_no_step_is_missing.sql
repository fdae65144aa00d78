-- id: I22
-- title: no step is missing
-- asks: each step begins where the last one ended.
-- required: each step begins where the last one ended
-- needs: orders, order_steps, payments, payment_steps
-- examined: steps of judged orders and their payments

-- violations
SELECT s.order_id AS subject, s.order_id, 0 AS amount, CAST(NULL AS VARCHAR) AS currency,
    'was ' || COALESCE(s.reached, 'None') || ', next step begins at '
        || COALESCE(s.from_state, 'None') AS detail,
    s.happened_at
FROM telling_steps AS s
WHERE s.from_state IS DISTINCT FROM s.reached;

-- examined
SELECT SUM(steps) FROM judged_step_counts;
