-- id: I27
-- title: dead letters are explained
-- asks: no open dead letter that no run put there on purpose.
-- required: 0 open dead letters nobody injected
-- needs: orders, dead_letters
-- examined: judged orders, and open dead letters

-- violations
SELECT 'dead letter ' || d.dead_letter_id AS subject, CAST(NULL AS VARCHAR) AS order_id,
    0 AS amount, CAST(NULL AS VARCHAR) AS currency,
    d.source || ': ' || d.reason || ', event ' || COALESCE(d.event_id, 'None') AS detail, d.happened_at
FROM dead_letters AS d
WHERE NOT d.resolved
    AND NOT EXISTS (SELECT 1 FROM probes AS p WHERE p.kind = 'event' AND p.id = d.event_id);

-- examined
SELECT (SELECT COUNT(*) FROM judged_orders)
    + (SELECT COUNT(*) FROM dead_letters WHERE NOT resolved);
