-- id: I28
-- title: injected poison is set aside
-- asks: a record that a run put into a topic on purpose, and that nobody can read, has a dead letter by the time a consumer group has read past it.
-- required: every injected record that was read past has a dead letter
-- needs: faults, dead_letters, log_groups, log_records?
-- examined: injected records that a group has read past

-- poison: what Kafka acknowledged; what was only announced has a place where it is in the log
SELECT f.event_id, MAX(f.run_id) AS run_id, MAX(f.fault) AS fault,
    MAX(f.happened_at) AS happened_at, MAX(f.topic) AS topic,
    COALESCE(MAX(f.partition_number), MAX(r.partition_number)) AS partition_number,
    COALESCE(MAX(f.record_offset), MAX(r.record_offset)) AS record_offset
FROM faults AS f
LEFT JOIN log_records AS r ON r.event_id = f.event_id AND r.topic = f.topic
WHERE f.event IN ('poisoning', 'poisoned')
GROUP BY f.event_id;

-- poison_met: groups were asked before dead letters, and an offset follows its letter
SELECT p.event_id, p.run_id, p.fault, p.happened_at, p.topic, p.partition_number, p.record_offset,
    EXISTS (
        SELECT 1 FROM log_groups AS g
        WHERE g.topic = p.topic AND g.partition_number = p.partition_number
            AND g.committed_offset > p.record_offset
    ) AS is_read_past
FROM poison AS p;

-- violations
SELECT p.topic || '/' || CAST(p.partition_number AS VARCHAR) || '/'
        || CAST(p.record_offset AS VARCHAR) AS subject,
    CAST(NULL AS VARCHAR) AS order_id, 0 AS amount, CAST(NULL AS VARCHAR) AS currency,
    p.fault || ' of run ' || p.run_id || ' was read past and has no dead letter, event '
        || p.event_id AS detail,
    p.happened_at
FROM poison_met AS p
WHERE p.is_read_past
    AND NOT EXISTS (SELECT 1 FROM dead_letters AS d WHERE d.event_id = p.event_id);

-- waiting
SELECT COUNT(*) FROM poison_met WHERE NOT is_read_past;

-- examined
SELECT COUNT(*) FROM poison_met WHERE is_read_past;
