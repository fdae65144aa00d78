-- A replayed log that tells what the tables have: one order, placed and paid, with its three events.
-- Every question about it is answered with yes, and none has nothing to look at; `log_defects.sql`
-- then breaks one thing at a time.

INSERT INTO asked (began_at, by_time)
VALUES (TIMESTAMP '2026-11-22 12:01:00', TRUE);

INSERT INTO partitions
    (topic, partition_number, low_offset, from_offset, to_offset, kept_seconds)
VALUES
    ('orders.placed', 0, 0, 0, 1, 604800),
    ('payments.completed', 0, 0, 0, 1, 604800),
    ('orders.paid', 0, 0, 0, 1, 604800);

INSERT INTO events
    (event_id, event_type, aggregate, aggregate_id, tenant_id, created_text, payload_sha256, order_id, root_event_id, amount, currency, created_at, published_at)
VALUES
    ('root-1', 'OrderPlaced', 'orders', 'ord_1', 'acme', '2026-11-22T12:00:00.000000+00:00', 'sha of root-1', 'ord_1', 'root-1', 4999, 'usd', TIMESTAMP '2026-11-22 12:00:00', TIMESTAMP '2026-11-22 12:00:01'),
    ('PaymentCompleted-1', 'PaymentCompleted', 'payments', 'root-1', 'acme', '2026-11-22T12:00:00.000000+00:00', 'sha of PaymentCompleted-1', 'ord_1', 'root-1', 4999, 'usd', TIMESTAMP '2026-11-22 12:00:00', TIMESTAMP '2026-11-22 12:00:01'),
    ('OrderPaid-1', 'OrderPaid', 'orders', 'ord_1', 'acme', '2026-11-22T12:00:00.000000+00:00', 'sha of OrderPaid-1', 'ord_1', 'root-1', 4999, 'usd', TIMESTAMP '2026-11-22 12:00:00', TIMESTAMP '2026-11-22 12:00:01');

INSERT INTO records
    (topic, partition_number, record_offset, recorded_ms, record_key, event_id, payload_event_id, event_type, aggregate, aggregate_id, tenant_id, created_text, payload_sha256, order_id, root_event_id, amount, currency, payment_intent_id)
VALUES
    ('orders.placed', 0, 0, 1795348800000, 'root-1', 'root-1', 'root-1', 'OrderPlaced', 'orders', 'ord_1', 'acme', '2026-11-22T12:00:00.000000+00:00', 'sha of root-1', 'ord_1', 'root-1', 4999, 'usd', NULL),
    ('payments.completed', 0, 0, 1795348800000, 'root-1', 'PaymentCompleted-1', 'PaymentCompleted-1', 'PaymentCompleted', 'payments', 'root-1', 'acme', '2026-11-22T12:00:00.000000+00:00', 'sha of PaymentCompleted-1', 'ord_1', 'root-1', 4999, 'usd', 'pi_1'),
    ('orders.paid', 0, 0, 1795348800000, 'root-1', 'OrderPaid-1', 'OrderPaid-1', 'OrderPaid', 'orders', 'ord_1', 'acme', '2026-11-22T12:00:00.000000+00:00', 'sha of OrderPaid-1', 'ord_1', 'root-1', 4999, 'usd', NULL);

INSERT INTO orders (order_id, tenant_id, amount, currency, status, event_id)
VALUES ('ord_1', 'acme', 4999, 'usd', 'paid', 'root-1');

INSERT INTO payments (event_id, order_id, tenant_id, amount, currency, state, payment_intent_id)
VALUES ('root-1', 'ord_1', 'acme', 4999, 'usd', 'succeeded', 'pi_1');
