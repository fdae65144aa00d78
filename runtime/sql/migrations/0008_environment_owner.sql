-- Which environment a database belongs to. Two environments on one database would publish each
-- other's events; each writes itself down here before it works, and the primary key lets one do so.

CREATE TABLE environment_owner (
    one            boolean     PRIMARY KEY DEFAULT true,
    environment_id uuid        NOT NULL,
    name           text        NOT NULL,
    folder         text        NOT NULL,
    host           text        NOT NULL,
    claimed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT environment_owner_one_check CHECK (one)
);
