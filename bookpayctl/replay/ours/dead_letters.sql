-- Dead letters, of records and of outbox rows.
SELECT source, reason, event_id::text AS event_id, source_topic AS topic,
    source_partition AS partition_number, source_offset AS record_offset
FROM dead_letters
