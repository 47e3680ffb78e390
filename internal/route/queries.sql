-- name: PutDefault :exec
INSERT INTO channel_default (account_id, kind, channel_id) VALUES (@account_id, @kind, @channel_id)
ON CONFLICT (account_id, kind) DO UPDATE SET channel_id = excluded.channel_id;

-- name: DropDefault :execrows
DELETE FROM channel_default WHERE account_id = @account_id AND kind = @kind;

-- name: Defaults :many
SELECT account_id, kind, channel_id FROM channel_default;
