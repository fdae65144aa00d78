-- id: I30
-- title: succeeded payments have charges
-- asks: a payment that says it took money names a PaymentIntent whose charge did.
-- required: each names a charge that succeeded
-- needs: orders, payments, payments.payment_intent_id, shadows?, stripe_payment_intents, stripe_charges
-- examined: payments of judged orders that say they took money

-- violations
SELECT p.order_id AS subject, p.order_id, p.amount, p.currency,
    'payment is ' || p.state || ' with ' || COALESCE(p.payment_intent_id, 'None')
        || ', no such charge' AS detail,
    p.created_at AS happened_at
FROM judged_payments AS p
WHERE p.state IN ('succeeded', 'refunding', 'refunded')
    AND NOT EXISTS (SELECT 1 FROM v1_payments AS v WHERE v.event_id = p.event_id)
    AND NOT EXISTS (
        SELECT 1 FROM order_charges AS c
        WHERE c.order_id = p.order_id AND c.status = 'succeeded'
            AND c.payment_intent_id = p.payment_intent_id AND c.amount = p.amount
            AND c.currency = p.currency
    );

-- examined
SELECT COUNT(*) FROM judged_payments AS p
WHERE p.state IN ('succeeded', 'refunding', 'refunded')
    AND NOT EXISTS (SELECT 1 FROM v1_payments AS v WHERE v.event_id = p.event_id);
