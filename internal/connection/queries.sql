-- name: AddChannel :execrows
INSERT INTO channel (id, account_id, name, driver, kind, settings, sender, rate, shards, enabled, updated_at)
VALUES (@id, @account_id, @name, @driver, @kind, @settings, @sender, @rate, @shards, @enabled, @updated_at)
ON CONFLICT (account_id, name) DO NOTHING;

-- What a channel is - its account, driver and kind - stays.
-- name: ChangeChannel :execrows
UPDATE channel SET name = @name, settings = @settings, sender = @sender, rate = @rate, shards = @shards, enabled = @enabled, updated_at = @updated_at
WHERE channel.id = @id AND NOT EXISTS (
    SELECT 1 FROM channel AS c WHERE c.account_id = channel.account_id AND c.name = @name AND c.id <> channel.id
);

-- name: ChannelThere :one
SELECT id FROM channel WHERE id = @id;

-- name: Channels :many
SELECT id, account_id, name, driver, kind, settings, sender, rate, shards, enabled FROM channel ORDER BY id;

-- name: AddSession :exec
INSERT INTO session (channel_id, node, parts) VALUES (@channel_id, @node, @parts)
ON CONFLICT (channel_id, node) DO UPDATE SET parts = excluded.parts;

-- name: DropSession :exec
DELETE FROM session WHERE channel_id = @channel_id AND node = @node;

-- name: DropSessionsOf :exec
DELETE FROM session WHERE node = @node;

-- Of a dead server they do not count, though its burial may have yet to come.
-- name: SessionsOf :many
SELECT s.node, s.parts FROM session AS s JOIN node AS n ON n.boot = s.node
WHERE s.channel_id = @channel_id AND n.dead = 0 ORDER BY s.node;
