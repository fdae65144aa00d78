-- Payments that we only shadowed. The row of a comparison may be written after the call: until then
-- the journal says whose call it was.
SELECT event_id::text AS event_id, v1_payment_intent_id, NULL AS unreadable
FROM shadow_comparisons
UNION ALL
SELECT event_id::text AS event_id, NULL AS v1_payment_intent_id, NULL AS unreadable
FROM stripe_calls WHERE operation = 'shadow_charge' AND event_id IS NOT NULL
