-- name: AddDefault :exec
INSERT INTO default_channel (account_id, kind, rank, channel_id) VALUES (@account_id, @kind, @rank, @channel_id);

-- name: DropDefaults :exec
DELETE FROM default_channel WHERE account_id = @account_id AND kind = @kind;

-- name: DefaultChannels :many
SELECT account_id, kind, channel_id FROM default_channel ORDER BY account_id, kind, rank;

-- name: ForgetChannel :exec
DELETE FROM default_channel WHERE channel_id = @channel_id;
