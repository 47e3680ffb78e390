-- name: AddWebhook :exec
INSERT INTO webhook (id, account_id, url, events, description, dialect, secret, ordered, active, updated_at, channel_id, rule_id, style)
VALUES (@id, @account_id, @url, @events, @description, @dialect, @secret, @ordered, @active, @updated_at, @channel_id, @rule_id, @style);

-- name: AllWebhooks :many
SELECT id, account_id, url, events, description, dialect, secret, ordered, active, reason, failing_at, updated_at, retired, channel_id, rule_id, style FROM webhook ORDER BY id;

-- name: OneWebhook :one
SELECT id, account_id, url, events, description, dialect, secret, ordered, active, reason, failing_at, updated_at, retired, channel_id, rule_id, style FROM webhook
WHERE id = @id AND account_id = @account_id;

-- name: WebhooksOf :many
SELECT id, account_id, url, events, description, dialect, secret, ordered, active, reason, failing_at, updated_at, retired, channel_id, rule_id, style FROM webhook
WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- Those that rules feed are counted as rules.
-- name: CountWebhooks :one
SELECT count(*) AS n FROM webhook WHERE account_id = @account_id AND rule_id = 0;

-- name: ChangeWebhook :execrows
UPDATE webhook SET url = @url, events = @events, description = @description, ordered = @ordered, active = @active,
  reason = @reason, failing_at = @failing_at, updated_at = @updated_at
WHERE id = @id AND account_id = @account_id;

-- An endpoint that a rule feeds goes where the rule says, and begins anew.
-- name: PointWebhook :execrows
UPDATE webhook SET url = @url, dialect = @dialect, style = @style, active = 1, reason = '', failing_at = 0, updated_at = @updated_at
WHERE id = @id AND account_id = @account_id AND rule_id <> 0;

-- name: RotateWebhook :exec
UPDATE webhook SET secret = @secret, retired = @retired, updated_at = @updated_at WHERE id = @id;

-- name: DropWebhook :execrows
DELETE FROM webhook WHERE id = @id AND account_id = @account_id;

-- name: DisableWebhook :execrows
UPDATE webhook SET active = 0, reason = @reason, updated_at = @updated_at WHERE id = @id AND active = 1;

-- name: SetFailing :execrows
UPDATE webhook SET failing_at = @failing_at WHERE id = @id AND failing_at = 0;

-- name: ClearFailing :execrows
UPDATE webhook SET failing_at = 0 WHERE id = @id AND failing_at <> 0;

-- name: KeepDelivery :exec
INSERT INTO delivery (id, webhook_id, account_id, subject, seq, kind, tries, done, status, error, response, took, at, due_at)
VALUES (@id, @webhook_id, @account_id, @subject, @seq, @kind, @tries, @done, @status, @error, @response, @took, @at, @due_at)
ON CONFLICT (id) DO UPDATE SET tries = excluded.tries, done = excluded.done, status = excluded.status, error = excluded.error,
  response = excluded.response, took = excluded.took, at = excluded.at, due_at = excluded.due_at;

-- A delivery that waits for an earlier one shows so, and holds back what comes after it.
-- name: HoldDelivery :exec
INSERT INTO delivery (id, webhook_id, account_id, subject, seq, kind, tries, done, status, at, due_at)
VALUES (@id, @webhook_id, @account_id, @subject, @seq, @kind, 0, 0, 0, @at, @due_at)
ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at;

-- name: CloseDelivery :execrows
UPDATE delivery SET done = 2, error = @error, due_at = 0 WHERE id = @id AND done = 0;

-- What is posted again holds back only its like.
-- name: EarlierOpen :one
SELECT due_at FROM delivery WHERE webhook_id = @webhook_id AND subject = @subject AND seq < @seq AND done = 0
    AND (replay = 0 OR CAST(@again AS bigint) = 1) ORDER BY seq LIMIT 1;

-- name: OpenOf :many
SELECT id, replay FROM delivery WHERE webhook_id = @webhook_id AND subject = @subject AND done = 0 ORDER BY seq;

-- name: OneDelivery :one
SELECT id, webhook_id, account_id, subject, seq, kind, tries, done, status, error, response, took, at, due_at, replay FROM delivery
WHERE id = @id AND account_id = @account_id;

-- name: DeliveriesOf :many
SELECT id, webhook_id, account_id, subject, seq, kind, tries, done, status, error, response, took, at, due_at, replay FROM delivery
WHERE webhook_id = @webhook_id AND account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: DeliveriesInState :many
SELECT id, webhook_id, account_id, subject, seq, kind, tries, done, status, error, response, took, at, due_at, replay FROM delivery
WHERE webhook_id = @webhook_id AND account_id = @account_id AND done = @done AND done <> 1 AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: FailedDeliveries :many
SELECT id, webhook_id, account_id, subject, seq, kind, tries, done, status, error, response, took, at, due_at, replay FROM delivery
WHERE webhook_id = @webhook_id AND done = 2 AND done <> 1 AND id > @after AND id < @before ORDER BY id LIMIT CAST(@page AS bigint);

-- name: ReopenDelivery :execrows
UPDATE delivery SET done = 0, replay = @replay, due_at = @due_at WHERE id = @id AND done = 2 AND replay = 0;

-- name: AddReplayed :exec
INSERT INTO delivery (id, webhook_id, account_id, subject, seq, kind, tries, done, status, at, due_at, replay)
VALUES (@id, @webhook_id, @account_id, @subject, @seq, @kind, 0, 0, 0, @at, @due_at, @replay);

-- name: AddReplay :exec
INSERT INTO replay (id, webhook_id, account_id, since, until, kinds, failed, place)
VALUES (@id, @webhook_id, @account_id, @since, @until, @kinds, @failed, @place);

-- name: OneReplay :one
SELECT * FROM replay WHERE id = @id;

-- name: RunningReplays :one
SELECT count(*) AS n FROM replay WHERE webhook_id = @webhook_id AND state = 0;

-- name: MoveReplay :execrows
UPDATE replay SET place = @place, posted = posted + @posted, state = @state, ended_at = @ended_at WHERE id = @id AND state = 0;

-- name: DropReplays :execrows
DELETE FROM replay WHERE id IN (SELECT r.id FROM replay AS r WHERE r.id < @before AND r.state <> 0 ORDER BY r.id LIMIT 500);

-- name: StartReplay :execrows
UPDATE delivery SET replay = @replay WHERE id = @id AND replay = 0 AND done <> 0;

-- A replay that fails leaves what was delivered before as delivered; what it has opened again it closes.
-- name: KeepReplay :exec
UPDATE delivery SET tries = @tries, status = @status, error = @error, response = @response, took = @took, at = @at, replay = @replay, due_at = @due_at,
  done = CASE WHEN CAST(@delivered AS bigint) = 1 THEN 1 WHEN done = 0 AND CAST(@replay AS bigint) = 0 THEN 2 ELSE done END
WHERE id = @id;

-- name: DropDeliveries :execrows
DELETE FROM delivery WHERE id IN (SELECT d.id FROM delivery d WHERE d.id < @before AND d.done <> 0 ORDER BY d.id LIMIT 500);

-- name: HurryDelivery :execrows
UPDATE delivery SET due_at = @due_at WHERE id = @id AND done = 0;

-- By the time of the subject: a delivery is not older than what it is about.
-- name: ToldOf :many
SELECT * FROM delivery
WHERE webhook_id = @webhook_id AND account_id = @account_id AND subject = @subject AND id >= @from_id AND id < @before_id ORDER BY id;

-- name: OpenAbout :one
SELECT id FROM delivery WHERE done = 0 AND subject >= @from_subject AND subject < @before LIMIT 1;

-- name: ForgetAnswers :exec
UPDATE delivery SET response = '' WHERE subject = @subject AND response <> '';

-- name: WebhookOfChannel :one
SELECT id, account_id, url, events, description, dialect, secret, ordered, active, reason, failing_at, updated_at, retired, channel_id, rule_id, style FROM webhook
WHERE channel_id = @channel_id AND channel_id <> 0;
