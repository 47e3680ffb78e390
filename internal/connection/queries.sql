-- name: AddChannel :execrows
INSERT INTO channel (id, account_id, name, driver, kind, settings, sender, rate, shards, enabled, mode, senders, updated_at)
VALUES (@id, @account_id, @name, @driver, @kind, @settings, @sender, @rate, @shards, @enabled, @mode, @senders, @updated_at)
ON CONFLICT (account_id, name) DO NOTHING;

-- What a channel is - its account, driver and kind - stays.
-- name: ChangeChannel :execrows
UPDATE channel SET name = @name, settings = @settings, sender = @sender, rate = @rate, shards = @shards, enabled = @enabled,
    mode = @mode, senders = @senders, updated_at = @updated_at
WHERE channel.id = @id AND NOT EXISTS (
    SELECT 1 FROM channel AS c WHERE c.account_id = channel.account_id AND c.name = @name AND c.id <> channel.id
);

-- name: ChannelThere :one
SELECT id FROM channel WHERE id = @id;

-- name: Channels :many
SELECT id, account_id, name, driver, kind, settings, sender, rate, shards, enabled, mode, senders, updated_at FROM channel ORDER BY id;

-- name: DropChannel :execrows
DELETE FROM channel WHERE id = @id;

-- name: AddSession :exec
INSERT INTO session (channel_id, node, parts) VALUES (@channel_id, @node, @parts)
ON CONFLICT (channel_id, node) DO UPDATE SET parts = excluded.parts;

-- name: DropSession :exec
DELETE FROM session WHERE channel_id = @channel_id AND node = @node;

-- name: DropSessionsOf :exec
DELETE FROM session WHERE node = @node;

-- Of a dead server they do not count, though its burial may have yet to come. A command, which is no server, takes those of the one
-- server where there can be only one.
-- name: SessionsOf :many
SELECT s.node, s.parts FROM session AS s JOIN node AS n ON n.boot = s.node
WHERE s.channel_id = @channel_id AND n.dead = 0 ORDER BY s.node;

-- name: PutState :exec
INSERT INTO channel_state (channel_id, node, name, phase, since, code, reason, parts, busy)
VALUES (@channel_id, @node, @name, @phase, @since, @code, @reason, @parts, @busy)
ON CONFLICT (channel_id, node) DO UPDATE SET name = excluded.name, phase = excluded.phase, since = excluded.since, code = excluded.code,
    reason = excluded.reason, parts = excluded.parts, busy = excluded.busy;

-- name: DropState :exec
DELETE FROM channel_state WHERE channel_id = @channel_id AND node = @node;

-- name: DropStatesOf :exec
DELETE FROM channel_state WHERE node = @node;

-- name: DropStatesOn :exec
DELETE FROM channel_state WHERE channel_id = @channel_id;

-- What earlier starts left that nobody buries, as on an engine with one server.
-- name: DropLostStates :exec
DELETE FROM channel_state WHERE node <> @boot AND NOT EXISTS (SELECT 1 FROM node AS n WHERE n.boot = channel_state.node);

-- Of a dead server they do not count, though its burial may have yet to come. A command, which is no server, takes those of the one
-- server where there can be only one.
-- name: LiveStates :many
SELECT s.channel_id, s.node, s.name, s.phase, s.since, s.code, s.reason, s.parts, s.busy FROM channel_state AS s
WHERE s.node = @boot OR EXISTS (SELECT 1 FROM node AS n WHERE n.boot = s.node AND n.dead = 0)
    OR (@boot = 0 AND NOT EXISTS (SELECT 1 FROM node)) ORDER BY s.channel_id, s.node;

-- name: Outages :many
SELECT channel_id, since FROM channel_outage ORDER BY channel_id;

-- Writes down that a channel is down for all to know, unless it is known or a server has a session of it.
-- name: AddOutage :execrows
INSERT INTO channel_outage (channel_id, since)
SELECT CAST(@channel_id AS bigint), CAST(@since AS bigint)
WHERE NOT EXISTS (SELECT 1 FROM channel_state AS s WHERE s.channel_id = CAST(@channel_id AS bigint) AND s.phase = 'up'
    AND (s.node = CAST(@boot AS bigint) OR EXISTS (SELECT 1 FROM node AS n WHERE n.boot = s.node AND n.dead = 0)))
ON CONFLICT (channel_id) DO NOTHING;

-- name: DropOutage :execrows
DELETE FROM channel_outage WHERE channel_id = @channel_id;

-- A session may still write while its channel is deleted.
-- name: PutDriverState :exec
INSERT INTO driver_state (channel_id, name, value, expires_at)
SELECT CAST(@channel_id AS bigint), CAST(@name AS text), CAST(@value AS text), CAST(@expires_at AS bigint)
WHERE EXISTS (SELECT 1 FROM channel AS c WHERE c.id = CAST(@channel_id AS bigint))
ON CONFLICT (channel_id, name) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at;

-- name: DropDriverState :exec
DELETE FROM driver_state WHERE channel_id = @channel_id AND name = @name;

-- name: DropDriverStates :exec
DELETE FROM driver_state WHERE channel_id = @channel_id;

-- name: DriverState :one
SELECT value FROM driver_state WHERE channel_id = @channel_id AND name = @name;

-- name: DriverStates :many
SELECT name, value FROM driver_state WHERE channel_id = @channel_id AND name >= @first AND name < @past ORDER BY name;

-- A share at a time.
-- name: DropExpiredDriverStates :execrows
DELETE FROM driver_state WHERE (channel_id, name) IN (
    SELECT e.channel_id, e.name FROM driver_state AS e WHERE e.expires_at > 0 AND e.expires_at < @now ORDER BY e.expires_at LIMIT 1000
);
