-- id: I12
-- title: charged orders are paid
-- asks: where the shop holds money, the order says paid.
-- required: no money held for an order that is not paid
-- needs: orders, payments, stripe_payment_intents, stripe_charges, stripe_refunds, stripe_disputes
-- examined: judged orders with a succeeded charge

-- violations
SELECT o.order_id AS subject, o.order_id, n.net AS amount, o.currency,
    'Stripe holds {' || CAST(n.net AS VARCHAR) || ' ' || o.currency || '}, the order is '
        || o.status AS detail,
    o.created_at AS happened_at
FROM judged_orders AS o JOIN nets AS n ON n.order_id = o.order_id
WHERE n.net > 0 AND o.status <> 'paid'
    AND EXISTS (
        SELECT 1 FROM order_charges AS c WHERE c.order_id = o.order_id AND c.status = 'succeeded'
    );

-- examined
SELECT COUNT(*) FROM judged_orders AS o
WHERE EXISTS (
    SELECT 1 FROM order_charges AS c WHERE c.order_id = o.order_id AND c.status = 'succeeded'
);
