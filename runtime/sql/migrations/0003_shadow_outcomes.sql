-- What v1 said of an order while our gateway only watches, and where we learnt it; one row per
-- payment beside what our own call came to.

ALTER TABLE shadow_comparisons
    -- Whether the two sides were compared follows from their being there.
    DROP COLUMN compared_at,
    ADD COLUMN v1_payment_intent_id text        NULL,
    ADD COLUMN v1_code              text        NULL,
    -- `import` or `header`.
    ADD COLUMN v1_source            text        NULL,
    ADD COLUMN v1_recorded_at       timestamptz NULL,
    ADD COLUMN v2_code              text        NULL,
    ADD COLUMN v2_recorded_at       timestamptz NULL,
    ADD CONSTRAINT shadow_comparisons_v1_check CHECK (v1_outcome IS NULL OR v1_outcome IN ('settled', 'declined')),
    ADD CONSTRAINT shadow_comparisons_v1_settled_check CHECK (v1_outcome <> 'settled' OR v1_payment_intent_id IS NOT NULL),
    ADD CONSTRAINT shadow_comparisons_v1_declined_check CHECK (v1_outcome <> 'declined' OR v1_code IS NOT NULL);
CREATE INDEX shadow_comparisons_created_at_idx ON shadow_comparisons (created_at);
