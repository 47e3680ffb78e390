-- name: AddJob :exec
INSERT INTO job (id, lane, kind, subject, account_id, order_key, priority, due_at, expires_at, step, data)
VALUES (@id, @lane, @kind, @subject, @account_id, @order_key, @priority, @due_at, @expires_at, @step, @data);

-- A claim takes the row only as it was read, so that no job is ever with two workers.
-- name: ClaimJob :execrows
UPDATE job SET owner = @owner, fence = fence + 1, claims = claims + 1
WHERE id = @id AND owner = 0 AND fence = @fence;

-- name: FinishJob :execrows
DELETE FROM job WHERE id = @id AND owner = @owner AND fence = @fence;

-- name: AgainJob :execrows
UPDATE job SET owner = 0, due_at = @due_at, wait_until = @wait_until, step = @step, data = @data, claims = @claims
WHERE id = @id AND owner = @owner AND fence = @fence;

-- name: AdvanceJob :execrows
UPDATE job SET step = @step, data = @data, fence = fence + 1, claims = 1
WHERE id = @id AND owner = @owner AND fence = @fence;

-- name: RemoveJob :execrows
DELETE FROM job WHERE id = @id AND owner = 0;

-- name: HurryJob :execrows
UPDATE job SET due_at = @due_at, wait_until = 0 WHERE id = @id AND owner = 0;

-- The buckets of a lane and priority, one at a time, each with its earliest job. Comparing both columns at once would
-- need casts, which keep SQLite from the index.
-- name: NextBucket :one
SELECT priority, account_id, due_at, id, order_key FROM job
WHERE lane = @lane AND priority = @priority AND account_id > @after_account AND owner = 0
ORDER BY account_id, due_at, id LIMIT 1;

-- name: ReadyJobs :many
SELECT id, lane, kind, subject, account_id, order_key, priority, due_at, expires_at, owner, fence, claims, step, data, wait_until FROM job
WHERE lane = @lane AND priority = @priority AND account_id = @account_id
  AND (due_at, id) > (@after_due, @after_id) AND due_at <= @now AND owner = 0
ORDER BY due_at, id LIMIT 128;

-- The jobs of a bucket that wait behind one order key: few of many, so the key has no index.
-- name: BehindKey :many
SELECT id, lane, kind, subject, account_id, order_key, priority, due_at, expires_at, owner, fence, claims, step, data, wait_until FROM job
WHERE lane = @lane AND priority = @priority AND account_id = @account_id
  AND (due_at, id) > (@after_due, @after_id) AND due_at <= @now AND owner = 0 AND order_key = @order_key
ORDER BY due_at, id LIMIT 128;

-- name: NextDue :one
SELECT due_at FROM job
WHERE lane = @lane AND priority = @priority AND account_id = @account_id AND due_at > @now AND owner = 0
ORDER BY due_at LIMIT 1;

-- Who has claimed jobs. There are few claimed ones, and this is asked when a server starts.
-- name: Owners :many
SELECT DISTINCT owner FROM job WHERE owner <> 0;

-- name: LostJobs :many
SELECT id, lane, kind, subject, account_id, order_key, priority, due_at, expires_at, owner, fence, claims, step, data, wait_until FROM job
WHERE owner = @owner LIMIT 256;

-- name: ExpiredJobs :many
SELECT id, lane, kind, subject, account_id, order_key, priority, due_at, expires_at, owner, fence, claims, step, data, wait_until FROM job
WHERE expires_at > 0 AND expires_at <= @now AND owner = 0 ORDER BY expires_at LIMIT 256;

-- Jobs to send that carry data and are due, or were tried before: those that wait for their time may wait where they are.
-- name: MarkedJobs :many
SELECT id, lane, kind, subject, account_id, order_key, priority, due_at, expires_at, owner, fence, claims, step, data, wait_until FROM job
WHERE lane = @lane AND kind = 'send' AND data <> '' AND id > @after AND owner = 0 AND (due_at <= @now OR fence > 0)
ORDER BY id LIMIT 256;

-- name: NextLane :one
SELECT lane FROM job WHERE lane > @after_lane AND lane < @before_lane ORDER BY lane LIMIT 1;

-- name: CountJobs :many
SELECT account_id, count(*) AS n FROM job WHERE kind = @kind GROUP BY account_id;

-- name: CountLanes :many
SELECT lane, count(*) AS n, CAST(min(due_at) AS bigint) AS oldest FROM job GROUP BY lane ORDER BY lane;

-- name: FindJob :one
SELECT id, lane, kind, subject, account_id, order_key, priority, due_at, expires_at, owner, fence, claims, step, data, wait_until FROM job WHERE id = @id;

-- name: CountLane :one
SELECT count(*) AS n FROM job WHERE lane = @lane;

-- Any job that was added after another and has a key, or is about one, among those of a span.
-- name: JobAbout :one
SELECT id FROM job WHERE id >= @added AND (id >= @from_id AND id < @before_id OR subject >= @from_id AND subject < @before_id) LIMIT 1;

-- name: CountLanesFrom :many
SELECT priority, count(*) AS n FROM job WHERE lane >= @from_lane AND lane < @before_lane GROUP BY priority ORDER BY priority;

-- Not more than so many.
-- name: CountSome :one
SELECT count(*) AS n FROM (SELECT j.id FROM job AS j WHERE j.lane = @lane AND j.priority = @priority LIMIT CAST(@most AS bigint)) AS few;
