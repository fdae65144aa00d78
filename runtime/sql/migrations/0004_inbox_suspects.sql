-- Records a worker was about to take in when its process ended. A row is there only while a record
-- of the first batch after a start is being stored; one that stays has killed its process.

CREATE TABLE inbox_suspects (
    topic          text        NOT NULL,
    "partition"    integer     NOT NULL,
    "offset"       bigint      NOT NULL,
    starts         integer     NOT NULL DEFAULT 1,
    last_begun_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, "partition", "offset")
);
