-- A small shop whose ledgers agree: one order paid, one declined and cancelled, one paid and given
-- back. Every question about it is answered with yes, and none has nothing to look at; `defects.sql`
-- then breaks one thing at a time.

INSERT INTO judgement
    (environment, read_at, cut_off, ahead_from, stripe_cut_off, stripe_ahead_from, waiting_since, change_data_capture, account_is_shared, history_tenant_id, history_key_prefix)
VALUES
    ('shop', TIMESTAMP '2026-11-22 12:01:00', TIMESTAMP '2026-11-22 12:00:30', TIMESTAMP '2026-11-22 12:02:00', TIMESTAMP '2026-11-22 12:00:30', TIMESTAMP '2026-11-22 12:02:00', TIMESTAMP '2026-11-22 11:46:00', FALSE, FALSE, 'acme-books', 'run-');

INSERT INTO orders
    (order_id, tenant_id, amount, currency, status, client_key, created_at)
VALUES
    ('ord_paid', 'acme-books', 4999, 'usd', 'paid', 'run-ord_paid', TIMESTAMP '2026-11-22 12:00:00'),
    ('ord_declined', 'acme-books', 2900, 'usd', 'cancelled', 'run-ord_declined', TIMESTAMP '2026-11-22 12:00:00'),
    ('ord_refunded', 'acme-books', 3950, 'usd', 'refunded', 'run-ord_refunded', TIMESTAMP '2026-11-22 12:00:00');

INSERT INTO order_steps
    (step_number, order_id, from_state, to_state, cause)
VALUES
    (1, 'ord_paid', NULL, 'pending', 'test'),
    (2, 'ord_paid', 'pending', 'paid', 'test'),
    (1, 'ord_declined', NULL, 'pending', 'test'),
    (2, 'ord_declined', 'pending', 'cancelled', 'test'),
    (1, 'ord_refunded', NULL, 'pending', 'test'),
    (2, 'ord_refunded', 'pending', 'paid', 'test'),
    (3, 'ord_refunded', 'paid', 'cancelled', 'test'),
    (4, 'ord_refunded', 'cancelled', 'refunded', 'test');

INSERT INTO outbox
    (event_id, event_type, order_id, root_event_id, amount, currency, has_amount, payload_sha256, published, created_at)
VALUES
    ('root-paid', 'OrderPlaced', 'ord_paid', 'root-paid', 4999, 'usd', TRUE, 'sha of root-paid', TRUE, TIMESTAMP '2026-11-22 12:00:00'),
    ('PaymentCompleted-ord_paid', 'PaymentCompleted', 'ord_paid', 'root-paid', 4999, 'usd', TRUE, 'sha of PaymentCompleted-ord_paid', TRUE, TIMESTAMP '2026-11-22 12:00:01'),
    ('OrderPaid-ord_paid', 'OrderPaid', 'ord_paid', 'root-paid', 4999, 'usd', TRUE, 'sha of OrderPaid-ord_paid', TRUE, TIMESTAMP '2026-11-22 12:00:02'),
    ('root-declined', 'OrderPlaced', 'ord_declined', 'root-declined', 2900, 'usd', TRUE, 'sha of root-declined', TRUE, TIMESTAMP '2026-11-22 12:00:00'),
    ('PaymentFailed-ord_declined', 'PaymentFailed', 'ord_declined', 'root-declined', 2900, 'usd', TRUE, 'sha of PaymentFailed-ord_declined', TRUE, TIMESTAMP '2026-11-22 12:00:01'),
    ('OrderCancelled-ord_declined', 'OrderCancelled', 'ord_declined', 'root-declined', 2900, 'usd', TRUE, 'sha of OrderCancelled-ord_declined', TRUE, TIMESTAMP '2026-11-22 12:00:02'),
    ('root-refunded', 'OrderPlaced', 'ord_refunded', 'root-refunded', 3950, 'usd', TRUE, 'sha of root-refunded', TRUE, TIMESTAMP '2026-11-22 12:00:00'),
    ('PaymentCompleted-ord_refunded', 'PaymentCompleted', 'ord_refunded', 'root-refunded', 3950, 'usd', TRUE, 'sha of PaymentCompleted-ord_refunded', TRUE, TIMESTAMP '2026-11-22 12:00:01'),
    ('OrderPaid-ord_refunded', 'OrderPaid', 'ord_refunded', 'root-refunded', 3950, 'usd', TRUE, 'sha of OrderPaid-ord_refunded', TRUE, TIMESTAMP '2026-11-22 12:00:02'),
    ('OrderCancelled-ord_refunded', 'OrderCancelled', 'ord_refunded', 'root-refunded', 3950, 'usd', TRUE, 'sha of OrderCancelled-ord_refunded', TRUE, TIMESTAMP '2026-11-22 12:00:03'),
    ('PaymentRefunded-ord_refunded', 'PaymentRefunded', 'ord_refunded', 'root-refunded', 3950, 'usd', TRUE, 'sha of PaymentRefunded-ord_refunded', TRUE, TIMESTAMP '2026-11-22 12:00:04');

INSERT INTO payments
    (event_id, order_id, amount, currency, state, payment_intent_id, created_at)
VALUES
    ('root-paid', 'ord_paid', 4999, 'usd', 'succeeded', 'pi_paid', TIMESTAMP '2026-11-22 12:00:00'),
    ('root-declined', 'ord_declined', 2900, 'usd', 'failed', 'pi_declined', TIMESTAMP '2026-11-22 12:00:00'),
    ('root-refunded', 'ord_refunded', 3950, 'usd', 'refunded', 'pi_refunded', TIMESTAMP '2026-11-22 12:00:00');

INSERT INTO payment_steps
    (step_number, event_id, kind, from_state, to_state, cause)
VALUES
    (1, 'root-paid', 'transition', NULL, 'pending', 'test'),
    (2, 'root-paid', 'transition', 'pending', 'charging', 'test'),
    (3, 'root-paid', 'outcome', 'charging', 'succeeded', 'test'),
    (1, 'root-declined', 'transition', NULL, 'pending', 'test'),
    (2, 'root-declined', 'transition', 'pending', 'charging', 'test'),
    (3, 'root-declined', 'outcome', 'charging', 'failed', 'test'),
    (1, 'root-refunded', 'transition', NULL, 'pending', 'test'),
    (2, 'root-refunded', 'transition', 'pending', 'charging', 'test'),
    (3, 'root-refunded', 'outcome', 'charging', 'succeeded', 'test'),
    (4, 'root-refunded', 'transition', 'succeeded', 'refunding', 'test'),
    (5, 'root-refunded', 'transition', 'refunding', 'refunded', 'test');

INSERT INTO refunds
    (refund_id, event_id, idempotency_key, amount, state, stripe_refund_id)
VALUES
    ('ref-1', 'root-refunded', 'key-ref-1', 3950, 'succeeded', 're_1');

INSERT INTO inventory
    (sku, initial, on_hand, reserved, sold)
VALUES
    ('book', 10, 9, 0, 1);

INSERT INTO reservations
    (order_id, sku, quantity, state)
VALUES
    ('ord_paid', 'book', 1, 'sold'),
    ('ord_declined', 'book', 1, 'released'),
    ('ord_refunded', 'book', 1, 'released');

INSERT INTO webhooks
    (stripe_event_id, type, object_id, received_at, processed, parked)
VALUES
    ('evt_paid', 'payment_intent.succeeded', 'pi_paid', TIMESTAMP '2026-11-22 12:00:01', TRUE, FALSE);

INSERT INTO dead_letters
    (dead_letter_id, source, reason, event_id, resolved)
VALUES
    ('1', 'payments-worker', 'bad_json', 'poison', FALSE);

INSERT INTO calls
    (operation, idempotency_key, event_id, request_id)
VALUES
    ('charge', 'root-paid', 'root-paid', 'req_root-paid'),
    ('charge', 'root-declined', 'root-declined', 'req_root-declined'),
    ('charge', 'root-refunded', 'root-refunded', 'req_root-refunded'),
    ('refund', 'key-ref-1', NULL, 'req_ref');

INSERT INTO letters
    (event_id)
VALUES
    ('OrderCancelled-ord_declined'),
    ('OrderCancelled-ord_refunded'),
    ('OrderPaid-ord_paid'),
    ('OrderPaid-ord_refunded'),
    ('PaymentRefunded-ord_refunded');

INSERT INTO log_records
    (topic, partition_number, record_offset, record_key, event_id, event_type, payload_sha256)
VALUES
    ('orders.placed', 0, 0, 'root-paid', 'root-paid', 'OrderPlaced', 'sha of root-paid'),
    ('payments.completed', 0, 1, 'root-paid', 'PaymentCompleted-ord_paid', 'PaymentCompleted', 'sha of PaymentCompleted-ord_paid'),
    ('orders.paid', 0, 2, 'root-paid', 'OrderPaid-ord_paid', 'OrderPaid', 'sha of OrderPaid-ord_paid'),
    ('orders.placed', 0, 3, 'root-declined', 'root-declined', 'OrderPlaced', 'sha of root-declined'),
    ('payments.failed', 0, 4, 'root-declined', 'PaymentFailed-ord_declined', 'PaymentFailed', 'sha of PaymentFailed-ord_declined'),
    ('orders.cancelled', 0, 5, 'root-declined', 'OrderCancelled-ord_declined', 'OrderCancelled', 'sha of OrderCancelled-ord_declined'),
    ('orders.placed', 0, 6, 'root-refunded', 'root-refunded', 'OrderPlaced', 'sha of root-refunded'),
    ('payments.completed', 0, 7, 'root-refunded', 'PaymentCompleted-ord_refunded', 'PaymentCompleted', 'sha of PaymentCompleted-ord_refunded'),
    ('orders.paid', 0, 8, 'root-refunded', 'OrderPaid-ord_refunded', 'OrderPaid', 'sha of OrderPaid-ord_refunded'),
    ('orders.cancelled', 0, 9, 'root-refunded', 'OrderCancelled-ord_refunded', 'OrderCancelled', 'sha of OrderCancelled-ord_refunded'),
    ('payments.refunded', 0, 10, 'root-refunded', 'PaymentRefunded-ord_refunded', 'PaymentRefunded', 'sha of PaymentRefunded-ord_refunded');

INSERT INTO log_partitions
    (topic, partition_number, low_offset, high_offset, oldest_at)
VALUES
    ('orders.cancelled', 0, 0, 3, TIMESTAMP '2026-11-22 12:00:00'),
    ('orders.paid', 0, 0, 3, TIMESTAMP '2026-11-22 12:00:00'),
    ('orders.placed', 0, 0, 3, TIMESTAMP '2026-11-22 12:00:00'),
    ('payments.completed', 0, 0, 3, TIMESTAMP '2026-11-22 12:00:00'),
    ('payments.failed', 0, 0, 3, TIMESTAMP '2026-11-22 12:00:00'),
    ('payments.refunded', 0, 0, 3, TIMESTAMP '2026-11-22 12:00:00');

INSERT INTO log_groups
    (consumer_group, topic, partition_number, committed_offset)
VALUES
    ('payments-worker', 'orders.placed', 0, 3);

INSERT INTO log_topics
    (topic, partitions, replicas, retention_ms, retention_bytes, cleanup_policy, insync_min, unclean_election)
VALUES
    ('orders.cancelled', 3, 1, 604800000, -1, 'delete', 1, FALSE),
    ('orders.paid', 3, 1, 604800000, -1, 'delete', 1, FALSE),
    ('orders.placed', 3, 1, 604800000, -1, 'delete', 1, FALSE),
    ('payments.completed', 3, 1, 604800000, -1, 'delete', 1, FALSE),
    ('payments.failed', 3, 1, 604800000, -1, 'delete', 1, FALSE),
    ('payments.refunded', 3, 1, 604800000, -1, 'delete', 1, FALSE),
    ('orders.placed.dlq', 3, 1, 604800000, -1, 'delete', 1, FALSE);

INSERT INTO stripe_payment_intents
    (payment_intent_id, status, amount, currency, event_id, order_id, environment, shadow)
VALUES
    ('pi_paid', 'succeeded', 4999, 'usd', 'root-paid', 'ord_paid', 'shop', FALSE),
    ('pi_declined', 'requires_payment_method', 2900, 'usd', 'root-declined', 'ord_declined', 'shop', FALSE),
    ('pi_refunded', 'succeeded', 3950, 'usd', 'root-refunded', 'ord_refunded', 'shop', FALSE);

INSERT INTO stripe_charges
    (charge_id, payment_intent_id, status, amount, currency, amount_refunded)
VALUES
    ('ch_paid', 'pi_paid', 'succeeded', 4999, 'usd', 0),
    ('ch_declined', 'pi_declined', 'failed', 2900, 'usd', 0),
    ('ch_refunded', 'pi_refunded', 'succeeded', 3950, 'usd', 3950);

INSERT INTO stripe_refunds
    (stripe_refund_id, payment_intent_id, charge_id, status, amount)
VALUES
    ('re_1', 'pi_refunded', 'ch_refunded', 'succeeded', 3950);

INSERT INTO stripe_events
    (stripe_event_id, type, object_id, idempotency_key)
VALUES
    ('evt_paid', 'payment_intent.succeeded', 'pi_paid', 'root-paid'),
    ('evt_ref', 'payment_intent.succeeded', 'pi_refunded', 'root-refunded');

INSERT INTO stripe_requests
    (idempotency_key, path, body_sha256, executed, environment, object_id)
VALUES
    ('root-paid', '/v1/payment_intents', 'a', TRUE, 'shop', 'pi_paid'),
    ('root-declined', '/v1/payment_intents', 'b', TRUE, 'shop', 'pi_declined'),
    ('root-refunded', '/v1/payment_intents', 'c', TRUE, 'shop', 'pi_refunded'),
    ('key-ref-1', '/v1/refunds', 'd', TRUE, NULL, 're_1');

INSERT INTO stripe_deliveries
    (stripe_event_id)
VALUES
    ('evt_paid');

INSERT INTO client_operations
    (client_key, outcome, order_id, amount)
VALUES
    ('run-ord_paid', 'ok', 'ord_paid', 4999),
    ('run-ord_declined', 'ok', 'ord_declined', 2900),
    ('run-ord_refunded', 'ok', 'ord_refunded', 3950);

INSERT INTO faults
    (run_id, event, fault, topic, partition_number, record_offset, event_id)
VALUES
    ('run-1', 'poisoned', 'bad-json', 'orders.placed', 0, 1, 'poison');

INSERT INTO probes
    (kind, id)
VALUES
    ('event', 'poison');
