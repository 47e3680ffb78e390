-- name: AddIntake :exec
INSERT INTO intake (id, account_id, list_id, source, fields, expires_at) VALUES (@id, @account_id, @list_id, @source, @fields, @expires_at);

-- name: OneIntake :one
SELECT * FROM intake WHERE id = @id;

-- name: IntakesOf :many
SELECT * FROM intake WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: RunningIntakes :many
SELECT list_id FROM intake WHERE account_id = @account_id AND state = 0 ORDER BY list_id;

-- Only who has seen all rows before may count more.
-- name: MoveIntake :execrows
UPDATE intake SET rows = rows + CAST(@more AS bigint), created = created + CAST(@created AS bigint), changed = changed + CAST(@changed AS bigint),
    refused = refused + CAST(@refused AS bigint), listed = listed + CAST(@listed AS bigint)
WHERE id = @id AND rows = @seen AND state = 0;

-- name: EndIntake :exec
UPDATE intake SET state = @state, problem = @problem, detail = @detail, source = '', ended_at = @ended_at WHERE id = @id AND state = 0;

-- name: AddRefused :exec
INSERT INTO intake_refused (intake_id, line, field, code) VALUES (@intake_id, @line, @field, @code) ON CONFLICT (intake_id, line) DO NOTHING;

-- name: RefusedOf :many
SELECT line, field, code FROM intake_refused WHERE intake_id = @intake_id AND line > @after ORDER BY line LIMIT CAST(@page AS bigint);

-- name: DropRefused :execrows
DELETE FROM intake_refused WHERE (intake_id, line) IN (
    SELECT r.intake_id, r.line FROM intake_refused AS r
    WHERE r.intake_id IN (SELECT o.id FROM intake AS o WHERE o.expires_at <= @now ORDER BY o.expires_at LIMIT 100) LIMIT 500);

-- name: DropIntakes :execrows
DELETE FROM intake WHERE id IN (
    SELECT o.id FROM intake AS o WHERE o.expires_at <= @now AND NOT EXISTS (SELECT 1 FROM intake_refused AS r WHERE r.intake_id = o.id)
    ORDER BY o.expires_at LIMIT 100);
