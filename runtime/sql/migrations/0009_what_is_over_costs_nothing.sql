-- A shop's past grows, and what is looked at every second must not grow with it.

-- What waits is counted once a second, and looked through for senseless times every five. Without these each count reads every refund,
-- dead letter and quarantined webhook there ever was. They hold what is open and nothing else.
CREATE INDEX refunds_open_idx ON refunds (created_at) WHERE state NOT IN ('succeeded', 'failed');
CREATE INDEX refunds_failed_idx ON refunds (updated_at) WHERE state = 'failed';
CREATE INDEX dead_letters_open_idx ON dead_letters (created_at) WHERE resolved_at IS NULL;
CREATE INDEX webhook_quarantine_open_idx ON webhook_quarantine (received_at) WHERE released_at IS NULL;
CREATE INDEX disputes_open_idx ON disputes (created_at) WHERE closed_at IS NULL;

-- A row that leaves a partial index leaves an entry behind, until vacuum, and whoever looks from the index's start passes by all of them.
-- By default vacuum waits for a fifth of the table: of ten million events two million entries, once a second. A fixed number instead;
-- and the indexes are always cleaned, which vacuum else leaves out while few pages of a large table have changed.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000, vacuum_index_cleanup = on);
ALTER TABLE payments SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, vacuum_index_cleanup = on);
ALTER TABLE orders SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, vacuum_index_cleanup = on);
