-- id: I23
-- title: one request per key
-- asks: a key was never used for two different requests.
-- required: 0 keys used for two different requests
-- needs: stripe_requests
-- examined: keys of requests that reached Stripe

-- violations
WITH sent_twice AS (
    SELECT idempotency_key FROM stripe_requests WHERE idempotency_key <> ''
    GROUP BY idempotency_key HAVING COUNT(*) > 1
)
SELECT idempotency_key AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency,
    CAST(COUNT(*) AS VARCHAR) || ' different requests' AS detail, CAST(NULL AS TIMESTAMP) AS happened_at
FROM (
    SELECT DISTINCT idempotency_key, path, body_sha256 FROM stripe_requests
    WHERE idempotency_key IN (SELECT idempotency_key FROM sent_twice)
) AS asked
GROUP BY idempotency_key
HAVING COUNT(*) > 1;

-- examined
SELECT COUNT(DISTINCT idempotency_key) FROM stripe_requests WHERE idempotency_key <> '';
