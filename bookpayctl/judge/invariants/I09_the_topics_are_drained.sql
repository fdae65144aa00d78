-- id: I09
-- title: the topics are drained
-- asks: each group has committed up to the end of each partition it reads.
-- required: every group committed to the log end
-- needs: log_groups, log_partitions
-- examined: partitions that a group reads, once for each group

-- violations
SELECT g.consumer_group || ' ' || g.topic || '/' || CAST(g.partition_number AS VARCHAR) AS subject,
    CAST(NULL AS VARCHAR) AS order_id, 0 AS amount, CAST(NULL AS VARCHAR) AS currency,
    'committed ' || COALESCE(CAST(g.committed_offset AS VARCHAR), 'None') || ', end '
        || CAST(p.high_offset AS VARCHAR) AS detail,
    CAST(NULL AS TIMESTAMP) AS happened_at
FROM log_groups AS g
JOIN log_partitions AS p ON p.topic = g.topic AND p.partition_number = g.partition_number
WHERE p.high_offset <> p.low_offset
    AND COALESCE(g.committed_offset, p.low_offset) < p.high_offset;

-- examined
SELECT COUNT(*) FROM log_groups;
