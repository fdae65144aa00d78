-- id: I02
-- title: no refused order exists
-- asks: no order exists that its client was refused, or that no client of the run sent.
-- required: no order for a key that was only refused
-- needs: orders, client_operations
-- examined: orders under keys of the history, and calls that were refused

-- ours
SELECT o.* FROM orders AS o JOIN judgement AS j ON o.tenant_id = j.history_tenant_id
WHERE o.client_key <> ''
    AND SUBSTRING(o.client_key FROM 1 FOR CHAR_LENGTH(j.history_key_prefix))
        = j.history_key_prefix;

-- violations
SELECT o.order_id AS subject, o.order_id, 0 AS amount, o.currency,
    CASE
        WHEN s.client_key IS NULL THEN 'no client sent key ' || o.client_key
        ELSE 'every attempt was refused, yet the order exists'
    END AS detail,
    o.created_at AS happened_at
FROM ours AS o
LEFT JOIN (
    SELECT client_key, MIN(CASE WHEN outcome = 'fail' THEN 1 ELSE 0 END) AS only_refused
    FROM client_operations GROUP BY client_key
) AS s ON s.client_key = o.client_key
WHERE s.client_key IS NULL OR s.only_refused = 1;

-- examined
SELECT (SELECT COUNT(*) FROM ours)
    + (SELECT COUNT(*) FROM client_operations WHERE outcome = 'fail');
