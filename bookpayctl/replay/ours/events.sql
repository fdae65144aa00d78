-- The outbox. `created_text` is the header as the publisher writes it; a time that no clock shows is
-- NULL. A root is the key of its record; one that is no UUID as they are written is NULL. A capture
-- marks no row: there one counts as published a minute after it was written.
SELECT
    event_id::text AS event_id,
    event_type,
    aggregate,
    aggregate_id,
    tenant_id,
    CASE WHEN created_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
        END AS created_text,
    encode(sha256(convert_to(payload::text, 'UTF8')), 'hex') AS payload_sha256,
    coalesce(payload->>'order_id', aggregate_id) AS order_id,
    CASE WHEN payload->>'root_event_id' IS NULL THEN event_id::text
        WHEN payload->>'root_event_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        THEN lower(payload->>'root_event_id') END AS root_event_id,
    CASE WHEN payload->>'amount_cents' ~ '^[0-9]{1,18}$'
        THEN (payload->>'amount_cents')::bigint END AS amount,
    payload->>'currency' AS currency,
    CASE WHEN created_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN created_at AT TIME ZONE 'UTC' END AS created_at,
    CASE WHEN current_setting('bookpay.captured', true) = 'on'
        THEN CASE WHEN isfinite(created_at)
            THEN created_at AT TIME ZONE 'UTC' + interval '1 minute' END
        WHEN published_at BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'
        THEN published_at AT TIME ZONE 'UTC'
        WHEN published_at IS NOT NULL THEN timestamp '1970-01-01' END AS published_at
FROM outbox
