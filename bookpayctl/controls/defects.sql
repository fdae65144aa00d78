-- One thing at a time that is wrong in the shop of `clean_shop.sql`, and which invariants must say
-- so. A defect begins with `-- name: what is wrong`; `red` are the invariants that it is made for,
-- `also` those that cannot but see it, too, and why is said there.

-- accepted-order-lost: a client was told that its order is taken, and there is none
-- red: I01
INSERT INTO client_operations (client_key, outcome, order_id, amount)
VALUES ('run-lost', 'ok', 'ord_lost', 100);

-- refused-order-exists: a client was told no, and its order is there
-- red: I02
UPDATE client_operations SET outcome = 'fail', order_id = NULL, amount = NULL
WHERE client_key = 'run-ord_paid';

-- one-key-two-orders: two orders were made for one key of a client
-- red: I03
-- also: I01; the key that was overwritten belongs to an order that was accepted
UPDATE orders SET client_key = 'run-ord_paid' WHERE order_id = 'ord_refunded';

-- order-without-event: an order was committed without its event
-- red: I04
-- also: I07, I08; its record has no row any more, and what followed from it no cause
DELETE FROM outbox WHERE event_id = 'root-paid';

-- event-left-behind: an event was never published
-- red: I05
UPDATE outbox SET published = FALSE WHERE event_id = 'root-paid';

-- published-event-missing: an event is marked as published, and no topic has it
-- red: I06
DELETE FROM log_records WHERE event_id = 'root-paid';

-- invented-event: a topic has an event that nobody wrote down
-- red: I07
INSERT INTO log_records (topic, partition_number, record_offset, record_key, event_id, event_type)
VALUES ('orders.paid', 0, 99, 'k', 'invented', 'OrderPaid');

-- effect-before-cause: a payment is told before its order was placed
-- red: I08
UPDATE outbox SET created_at = TIMESTAMP '2026-11-22 11:59:55'
WHERE event_id = 'PaymentCompleted-ord_paid';

-- consumer-behind: a group has not read all that there is
-- red: I09
UPDATE log_groups SET committed_offset = 2;

-- second-charge: an order was charged twice
-- red: I10
-- also: I11; money that was taken twice is more than the order's amount
INSERT INTO stripe_charges
    (charge_id, payment_intent_id, status, amount, currency, amount_refunded)
VALUES ('ch_again', 'pi_paid', 'succeeded', 4999, 'usd', 0);

-- paid-without-charge: an order is paid, and Stripe has no charge
-- red: I11
-- also: I30; the charge is the one that the payment names
DELETE FROM stripe_charges WHERE charge_id = 'ch_paid';

-- charged-without-paid: an order was charged, and is cancelled
-- red: I12
-- also: I14; a cancelled order whose money is held has not been compensated
UPDATE stripe_charges SET status = 'succeeded' WHERE charge_id = 'ch_declined';

-- charge-without-order: Stripe has a charge of ours for an order that there is not
-- red: I13
-- also: I34; what nobody here made has no call in our journal
INSERT INTO stripe_payment_intents
    (payment_intent_id, status, amount, currency, event_id, order_id, environment, shadow)
VALUES ('pi_orphan', 'succeeded', 100, 'usd', 'root-x', 'ord_x', 'shop', FALSE);
INSERT INTO stripe_charges
    (charge_id, payment_intent_id, status, amount, currency, amount_refunded)
VALUES ('ch_x', 'pi_orphan', 'succeeded', 100, 'usd', 0);

-- stock-kept-after-cancel: a cancelled order keeps its books
-- red: I14
-- also: I17, I18; its books are in neither the counters nor the state that its order asks for
UPDATE reservations SET state = 'held' WHERE order_id = 'ord_refunded';

-- refunded-too-much: more was given back than was taken
-- red: I15
-- also: I14; the order was given back more than it asks for
INSERT INTO stripe_refunds (stripe_refund_id, payment_intent_id, charge_id, status, amount)
VALUES ('re_2', 'pi_refunded', 'ch', 'succeeded', 1);

-- book-vanished: a book is neither on the shelf nor sold
-- red: I16
UPDATE inventory SET on_hand = 8;

-- book-sold-to-nobody: a book counts as sold, and no order has it
-- red: I17
UPDATE inventory SET on_hand = 8, sold = 2;

-- paid-order-holds-stock: the books of a paid order are still held for it
-- red: I18
-- also: I17; the counters say that they are sold
UPDATE reservations SET state = 'held' WHERE order_id = 'ord_paid';

-- stripe-event-forgotten: Stripe told that a payment succeeded, and the payment is failed
-- red: I19
-- also: I29; its row was moved by hand
UPDATE payments SET state = 'failed' WHERE event_id = 'root-paid';

-- webhook-forged: a webhook was taken in that Stripe never sent
-- red: I20
INSERT INTO webhooks (stripe_event_id, type, object_id, received_at, processed, parked)
VALUES ('evt_forged', 'payment_intent.succeeded', 'pi_x', TIMESTAMP '2026-11-22 12:00:01', TRUE,
    FALSE);

-- step-not-allowed: an order became paid without having been placed
-- red: I21
-- also: I29; the row is not what its history comes to
DELETE FROM order_steps;
INSERT INTO order_steps (step_number, order_id, from_state, to_state, cause)
VALUES (1, 'ord_paid', NULL, 'paid', 'test');

-- step-missing: a step of a payment was taken and not written down
-- red: I22
DELETE FROM payment_steps WHERE event_id = 'root-paid' AND step_number = 2;

-- one-key-two-requests: a key was sent again with another body
-- red: I23
INSERT INTO stripe_requests (idempotency_key, path, body_sha256, executed, environment, object_id)
VALUES ('root-paid', '/v1/payment_intents', 'other', FALSE, 'shop', 'pi_paid');

-- request-without-key: money was asked for without an idempotency key
-- red: I24
INSERT INTO stripe_requests (idempotency_key, path, body_sha256, executed, environment, object_id)
VALUES (NULL, '/v1/payment_intents', 'e', TRUE, 'shop', 'pi_z');

-- payment-left-open: a payment is unknown, and nobody asks
-- red: I25
-- also: I19, I29; Stripe has told its end, and its row was moved by hand
UPDATE payments SET state = 'unknown' WHERE event_id = 'root-paid';

-- order-left-open: an order whose payment ended is still pending
-- red: I26
-- also: I12, I18, I29; it was charged, its books are sold, and its row was moved by hand
UPDATE orders SET status = 'pending' WHERE order_id = 'ord_paid';

-- dead-letter-unexplained: an event was set aside, and nobody looked
-- red: I27
INSERT INTO dead_letters (dead_letter_id, source, reason, event_id, resolved)
VALUES ('2', 'payments-worker', 'parked', 'root-paid', FALSE);

-- poison-lost: a record that nobody can read was read past, and nobody set it aside
-- red: I28
DELETE FROM dead_letters;

-- row-without-history: a payment succeeded, and no step of it says so
-- red: I29
-- also: I22; the step that was taken out is missing in the chain
DELETE FROM payment_steps WHERE to_state = 'succeeded';

-- payment-of-another-amount: a payment succeeded, and its charge is of another amount
-- red: I30
-- also: I11; the paid order was charged another amount
UPDATE stripe_charges SET amount = 1 WHERE charge_id = 'ch_paid';

-- topic-compacted: a topic keeps only the last record of each key
-- red: I31
DELETE FROM log_topics;
INSERT INTO log_topics
    (topic, partitions, replicas, retention_ms, retention_bytes, cleanup_policy, insync_min,
    unclean_election)
VALUES ('orders.paid', 3, 1, 604800000, -1, 'compact', 1, FALSE);

-- amount-changed: an order is of another amount than its event
-- red: I32
-- also: I01; the client was told the amount that the order had
UPDATE orders SET amount = 3400 WHERE order_id = 'ord_declined';

-- payload-changed: a record has another payload than its row
-- red: I33
UPDATE outbox SET payload_sha256 = 'of another text' WHERE event_id = 'root-paid';

-- call-not-on-record: Stripe was asked, and our journal has no call
-- red: I34
DELETE FROM calls WHERE event_id = 'root-paid';

-- charge-of-nobody: the account has a charge that nobody claims
-- red: I35
INSERT INTO stripe_charges
    (charge_id, payment_intent_id, status, amount, currency, amount_refunded)
VALUES ('ch_stranger', NULL, 'succeeded', 778, 'usd', 0);

-- customer-not-told: nobody wrote to the customers
-- red: I36
DELETE FROM letters;

-- delivered-webhook-missing: Stripe delivered a webhook that we do not have
-- red: I37
DELETE FROM webhooks;
