-- id: I20
-- title: no webhook was forged
-- asks: every webhook we stored exists at Stripe with the same type and object. The probe of a `check` that was run from elsewhere is in no run of ours. It cannot be told from one that somebody else signed, and moves nothing whoever did: a warning.
-- required: every stored webhook exists at Stripe
-- needs: webhooks, stripe_events
-- examined: webhooks that we stored and no run of ours sent

-- stored
SELECT w.stripe_event_id, w.type, w.object_id, w.received_at,
    e.stripe_event_id IS NOT NULL AS exists_there, e.type AS type_there,
    e.object_id AS object_there,
    e.stripe_event_id IS NULL AND POSITION('evt_bookpayprobe_' IN w.stripe_event_id) = 1
        AND w.type = 'customer.created' AS is_probe
FROM webhooks AS w
CROSS JOIN judgement AS j
LEFT JOIN stripe_events AS e ON e.stripe_event_id = w.stripe_event_id
WHERE (w.received_at IS NULL OR w.received_at < j.cut_off OR w.received_at > j.ahead_from)
    -- Stripe lists no event for ever, and one that it does not list any more was not forged.
    AND (j.events_since IS NULL OR COALESCE(w.received_at >= j.events_since, FALSE))
    AND NOT EXISTS (
        SELECT 1 FROM probes AS p WHERE p.kind = 'stripe_event' AND p.id = w.stripe_event_id
    );

-- violations
SELECT w.stripe_event_id AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency,
    CASE
        WHEN NOT w.exists_there THEN w.type || ' is stored; Stripe never sent it'
        ELSE 'stored ' || w.type || ', Stripe''s is ' || w.type_there || ' '
            || COALESCE(w.object_there, 'None')
    END AS detail,
    w.received_at AS happened_at
FROM stored AS w
WHERE (NOT w.exists_there AND NOT w.is_probe)
    OR (
        w.exists_there
        AND (w.type IS DISTINCT FROM w.type_there OR w.object_id IS DISTINCT FROM w.object_there)
    );

-- examined
SELECT COUNT(*) FROM stored;

-- explained
SELECT w.stripe_event_id AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency,
    'a `check` that no run here knows of sent it, or who has the secret' AS detail,
    w.received_at AS happened_at
FROM stored AS w
WHERE w.is_probe;
