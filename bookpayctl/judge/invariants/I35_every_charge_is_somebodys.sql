-- id: I35
-- title: every charge is somebody's
-- asks: every succeeded charge in the account says whose it is, unless others use it, too.
-- required: 0 charges that name no order, no environment
-- needs: payments, shadows?, stripe_payment_intents, stripe_charges
-- examined: succeeded charges in the account
-- excuses: charges of {money} of others in a shared account

-- unclaimed
SELECT c.charge_id, c.amount, c.currency, c.created_at, j.account_is_shared
FROM stripe_charges AS c
CROSS JOIN judgement AS j
LEFT JOIN stripe_payment_intents AS i ON i.payment_intent_id = c.payment_intent_id
WHERE c.status = 'succeeded'
    AND (
        c.created_at IS NULL OR c.created_at < j.stripe_cut_off
        OR c.created_at > j.stripe_ahead_from
    )
    -- A PaymentIntent that is older than what was listed may say whose it is.
    AND (j.since IS NULL OR c.payment_intent_id IS NULL OR i.payment_intent_id IS NOT NULL)
    AND COALESCE(NULLIF(i.environment, ''), NULLIF(i.order_id, ''), NULLIF(i.event_id, '')) IS NULL
    AND NOT EXISTS (SELECT 1 FROM payments AS p WHERE p.payment_intent_id = c.payment_intent_id)
    AND NOT EXISTS (
        SELECT 1 FROM shadows AS s WHERE s.v1_payment_intent_id = c.payment_intent_id
    );

-- violations
SELECT u.charge_id AS subject, CAST(NULL AS VARCHAR) AS order_id, u.amount, u.currency,
    '{' || CAST(u.amount AS VARCHAR) || ' ' || u.currency || '} taken for nobody we know' AS detail,
    u.created_at AS happened_at
FROM unclaimed AS u
WHERE NOT u.account_is_shared;

-- examined
SELECT COUNT(*) FROM stripe_charges AS c CROSS JOIN judgement AS j
WHERE c.status = 'succeeded'
    AND (
        c.created_at IS NULL OR c.created_at < j.stripe_cut_off
        OR c.created_at > j.stripe_ahead_from
    );

-- excused
SELECT amount, currency FROM unclaimed WHERE account_is_shared;
