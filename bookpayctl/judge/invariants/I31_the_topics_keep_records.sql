-- id: I31
-- title: the topics keep records
-- asks: each topic exists, has the same partitions, and deletes nothing before its time.
-- required: all there, alike, deleting nothing early
-- needs: log_topics
-- examined: topics that must exist

-- violations
WITH usual AS (
    SELECT partitions FROM log_topics GROUP BY partitions
    ORDER BY COUNT(*) DESC, MIN(topic) FETCH FIRST 1 ROW ONLY
), problems AS (
    SELECT e.topic, 'the topic does not exist' AS words
    FROM (SELECT DISTINCT topic FROM event_topics) AS e
    WHERE NOT EXISTS (SELECT 1 FROM log_topics AS t WHERE t.topic = e.topic)
    UNION ALL
    SELECT t.topic, CAST(t.partitions AS VARCHAR) || ' partitions, the others have '
        || CAST(u.partitions AS VARCHAR)
    FROM log_topics AS t CROSS JOIN usual AS u WHERE t.partitions <> u.partitions
    UNION ALL
    SELECT topic, CAST(partitions AS VARCHAR) || ' partitions, required at least 3'
    FROM log_topics WHERE partitions < 3
    UNION ALL
    SELECT topic, 'cleanup.policy is ' || cleanup_policy || ', which removes records of the ledger'
    FROM log_topics WHERE cleanup_policy <> 'delete'
    UNION ALL
    SELECT topic, 'retention.ms is ' || CAST(retention_ms AS VARCHAR) || ', promised 7 days'
    FROM log_topics WHERE retention_ms <> -1 AND retention_ms < 604800000
    UNION ALL
    SELECT topic, 'retention.bytes is ' || CAST(retention_bytes AS VARCHAR)
        || ', which deletes records before their time'
    FROM log_topics WHERE retention_bytes <> -1
    UNION ALL
    SELECT topic, 'unclean.leader.election.enable is on, which gives up acknowledged records'
    FROM log_topics WHERE unclean_election
    UNION ALL
    -- One replica has to acknowledge on one broker, and all but one on a cluster.
    SELECT topic, 'min.insync.replicas is ' || CAST(insync_min AS VARCHAR) || ', required '
        || CAST(CASE WHEN replicas < 3 THEN 1 ELSE replicas - 1 END AS VARCHAR)
    FROM log_topics WHERE insync_min < CASE WHEN replicas < 3 THEN 1 ELSE replicas - 1 END
    UNION ALL
    SELECT topic, 'min.insync.replicas is ' || CAST(insync_min AS VARCHAR) || ' with '
        || CAST(replicas AS VARCHAR) || ' replicas: read-only'
    FROM log_topics WHERE insync_min > replicas
)
SELECT topic AS subject, CAST(NULL AS VARCHAR) AS order_id, 0 AS amount,
    CAST(NULL AS VARCHAR) AS currency, words AS detail, CAST(NULL AS TIMESTAMP) AS happened_at
FROM problems;

-- examined
SELECT COUNT(DISTINCT topic) FROM event_topics;
