-- name: AddMedia :exec
INSERT INTO media (id, account_id, kind, state, origin, source, mark, file, mime, name, size, sha256, width, height, seconds, uses, message_id, expires_at)
VALUES (@id, @account_id, @kind, @state, @origin, @source, @mark, @file, @mime, @name, @size, @sha256, @width, @height, @seconds, @uses, @message_id, @expires_at);

-- name: MediaByID :one
SELECT * FROM media WHERE id = @id;

-- name: ListMedia :many
SELECT * FROM media WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- What an export reads.
-- name: NextMedia :many
SELECT * FROM media WHERE account_id = @account_id AND id > @after AND id < @before ORDER BY id LIMIT CAST(@page AS bigint);

-- A file of the same address that is young enough, and has not failed. The sum keeps SQLite from the account's index.
-- name: MediaByMark :one
SELECT id FROM media WHERE mark = @mark AND mark <> '' AND account_id + 0 = CAST(@account_id AS bigint) AND id >= @since AND state <= 2 ORDER BY id DESC LIMIT 1;

-- One more message has it, and it stays as long as that may need it.
-- name: UseMedia :execrows
UPDATE media SET uses = uses + 1, expires_at = CASE WHEN expires_at <> 0 AND expires_at < @until THEN CAST(@until AS bigint) ELSE expires_at END
WHERE id = @id AND account_id = @account_id AND state <= 2;

-- name: FillMedia :execrows
UPDATE media SET state = 2, source = '', file = @file, mime = @mime, name = @name, size = @size, sha256 = @sha256, width = @width, height = @height,
    reason = ''
WHERE id = @id AND state = 1;

-- name: FailMedia :execrows
UPDATE media SET state = @state, source = '', reason = @reason WHERE id = @id AND state = 1;

-- name: ReleaseMedia :exec
UPDATE media SET uses = uses - 1 WHERE id = @id AND account_id = @account_id AND uses > 0;

-- name: ExpiredMedia :many
SELECT id, file FROM media WHERE expires_at > 0 AND expires_at <= @now ORDER BY expires_at LIMIT 200;

-- name: DropMedia :exec
DELETE FROM media WHERE id = @id;

-- name: MediaByFile :one
SELECT id FROM media WHERE file = @file AND file <> '' LIMIT 1;
