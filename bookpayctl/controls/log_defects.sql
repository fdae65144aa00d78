-- One thing at a time that is wrong between the log of `clean_log.sql` and its tables, and which
-- questions of `replay` must say so; written as `defects.sql` is. R are those of --mode verify, S those
-- of --mode shadow; both are asked.

-- record-without-row: a record tells an event that the outbox has not
-- red: R01
DELETE FROM events WHERE event_id = 'OrderPaid-1';

-- row-without-record: an event is marked as published, and the log has it not
-- red: R02
-- also: S01; an order whose end the log does not tell is pending there
DELETE FROM records WHERE event_id = 'OrderPaid-1';

-- record-of-another-payload: a record has another payload than its row
-- red: R03
UPDATE records SET payload_sha256 = 'other' WHERE event_id = 'OrderPaid-1';

-- record-under-another-key: a record was sent under another key than its row has
-- red: R03
UPDATE records SET record_key = 'other' WHERE event_id = 'OrderPaid-1';

-- key-in-two-partitions: an event was sent again, into another partition
-- red: R04
INSERT INTO records
SELECT * REPLACE (2 AS partition_number, 9 AS record_offset) FROM records
WHERE event_id = 'OrderPaid-1';

-- order-of-other-money: an order is of another amount than the log tells
-- red: R05
-- also: S01; the log rebuilds the order with the amount that it tells
UPDATE orders SET amount = 1;

-- payment-of-another-intent: a payment has another PaymentIntent than the log tells
-- red: R06
-- also: S02; the log rebuilds the payment with the PaymentIntent that it tells
UPDATE payments SET payment_intent_id = 'pi_2';

-- record-nobody-can-read: a record is no JSON, and nobody has set it aside
-- red: R07
INSERT INTO records (topic, partition_number, record_offset, problem)
VALUES ('orders.placed', 0, 7, 'it is no JSON');

-- order-drifted: an order is cancelled, and the log tells that it is paid
-- red: S01
UPDATE orders SET status = 'cancelled';

-- payment-drifted: a payment has failed, and the log tells that it succeeded
-- red: S02
-- also: R06; the record that tells of the payment says that it succeeded
UPDATE payments SET state = 'failed';

-- order-not-in-the-log: an order is there, and the log does not tell that it was placed
-- red: S03
-- also: R02; the event that it was placed is marked as published
DELETE FROM records WHERE event_type = 'OrderPlaced';
