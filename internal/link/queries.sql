-- A code that another link has is not taken from it.
-- name: AddLink :exec
INSERT INTO link (id, account_id, message_id, code, target, since)
VALUES (@id, @account_id, @message_id, @code, @target, @since)
ON CONFLICT (code) DO NOTHING;

-- name: LinkByCode :one
SELECT * FROM link WHERE code = @code;

-- name: LinksOf :many
SELECT * FROM link WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: LinksIn :many
SELECT * FROM link WHERE message_id = @message_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: OneLink :one
SELECT * FROM link WHERE id = @id AND account_id = @account_id;

-- Counts clicks. Those before the count tell whether anybody had followed the link.
-- name: CountClicks :one
UPDATE link SET clicks = clicks + @more, first_at = CASE WHEN clicks = 0 THEN @first_at ELSE first_at END,
    last_at = CASE WHEN last_at < @last_at THEN @last_at ELSE last_at END
WHERE id = @id
RETURNING clicks, message_id, code;

-- name: DropLinksIn :exec
DELETE FROM link WHERE message_id = @message_id;

-- name: DropOldLinks :exec
DELETE FROM link WHERE id IN (SELECT l.id FROM link AS l WHERE l.since < @before ORDER BY l.since LIMIT 500);
