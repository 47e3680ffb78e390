-- name: AddChannel :execrows
INSERT INTO channel (id, account_id, name, driver, kind, settings, sender, rate, shards, enabled, mode, senders, workspace, official,
    updated_at)
VALUES (@id, @account_id, @name, @driver, @kind, @settings, @sender, @rate, @shards, @enabled, @mode, @senders, @workspace, @official,
    @updated_at)
ON CONFLICT (account_id, name) DO NOTHING;

-- What a channel is - its account, driver and kind - stays.
-- name: ChangeChannel :execrows
UPDATE channel SET name = @name, settings = @settings, sender = @sender, rate = @rate, shards = @shards, enabled = @enabled,
    mode = @mode, senders = @senders, workspace = @workspace, official = @official, updated_at = @updated_at
WHERE channel.id = @id AND NOT EXISTS (
    SELECT 1 FROM channel AS c WHERE c.account_id = channel.account_id AND c.name = @name AND c.id <> channel.id
);

-- name: ChannelThere :one
SELECT id FROM channel WHERE id = @id;

-- name: Channels :many
SELECT id, account_id, name, driver, kind, settings, sender, rate, shards, enabled, mode, senders, workspace, official, updated_at FROM channel ORDER BY id;

-- The others of its account and kind are official no more.
-- name: OneOfficial :exec
UPDATE channel SET official = 0 WHERE account_id = @account_id AND kind = @kind AND official = 1 AND id <> @id;

-- name: DropChannel :execrows
DELETE FROM channel WHERE id = @id;

-- name: Devices :many
SELECT channel_id, remote, phone, lid, push_name, linked_at, unlinked_at, unlinked_code, unlinked_reason,
    limited_at, limited_until, limited_code, limited_reason FROM device ORDER BY channel_id;

-- name: LinkDevice :exec
INSERT INTO device (channel_id, remote, phone, lid, push_name, linked_at, unlinked_at, unlinked_code, unlinked_reason,
    limited_at, limited_until, limited_code, limited_reason)
VALUES (@channel_id, @remote, @phone, @lid, @push_name, @linked_at, 0, '', '', 0, 0, '', '')
ON CONFLICT (channel_id) DO UPDATE SET remote = excluded.remote, phone = excluded.phone, lid = excluded.lid, push_name = excluded.push_name,
    linked_at = excluded.linked_at, unlinked_at = 0, unlinked_code = '', unlinked_reason = '',
    limited_at = 0, limited_until = 0, limited_code = '', limited_reason = '';

-- Who a linked device is becomes better known; what is missing now stays.
-- name: NameDevice :execrows
UPDATE device SET remote = @remote, phone = COALESCE(NULLIF(CAST(@phone AS text), ''), phone), lid = COALESCE(NULLIF(CAST(@lid AS text), ''), lid),
    push_name = COALESCE(NULLIF(CAST(@push_name AS text), ''), push_name)
WHERE channel_id = @channel_id AND linked_at > 0;

-- name: UnlinkDevice :execrows
UPDATE device SET linked_at = 0, unlinked_at = @at, unlinked_code = @code, unlinked_reason = @reason,
    limited_at = 0, limited_until = 0, limited_code = '', limited_reason = ''
WHERE channel_id = @channel_id AND linked_at > 0;

-- name: LimitDevice :execrows
UPDATE device SET limited_at = @at, limited_until = @until, limited_code = @code, limited_reason = @reason
WHERE channel_id = @channel_id AND linked_at > 0;

-- name: ForgetDevice :execrows
UPDATE device SET remote = '' WHERE channel_id = @channel_id AND linked_at = 0;

-- name: DropDevice :exec
DELETE FROM device WHERE channel_id = @channel_id;

-- Counts one more message of a day, unless the day has as many as it may.
-- name: SpendDay :execrows
INSERT INTO device_day (channel_id, day, sent) VALUES (@channel_id, @day, 1)
ON CONFLICT (channel_id) DO UPDATE SET day = excluded.day, sent = CASE WHEN device_day.day = excluded.day THEN device_day.sent + 1 ELSE 1 END
WHERE device_day.day <> excluded.day OR device_day.sent < @most;

-- Counts messages less that did not go out after all.
-- name: ReturnDay :exec
UPDATE device_day SET sent = sent - 1 WHERE channel_id = @channel_id AND day = @day AND sent > 0;

-- name: DayOf :one
SELECT day, sent FROM device_day WHERE channel_id = @channel_id;

-- name: DropDay :exec
DELETE FROM device_day WHERE channel_id = @channel_id;

-- Of two wishes at a time the first stays, unless it is over or nobody has begun with it for long.
-- name: AskPairing :execrows
INSERT INTO pairing (channel_id, id, phone, state, node, step, code, valid_until, failure, reason, asked_at, ended_at)
VALUES (@channel_id, @id, @phone, 'asked', 0, 1, '', 0, '', '', @asked_at, 0)
ON CONFLICT (channel_id) DO UPDATE SET id = excluded.id, phone = excluded.phone, state = 'asked', node = 0, step = 1, code = '',
    valid_until = 0, failure = '', reason = '', asked_at = excluded.asked_at, ended_at = 0
WHERE pairing.state IN ('linked', 'failed') OR pairing.state = 'asked' AND pairing.asked_at < CAST(@stale AS bigint);

-- name: PairingOf :one
SELECT channel_id, id, phone, state, node, step, code, valid_until, failure, reason, asked_at, ended_at FROM pairing WHERE channel_id = @channel_id;

-- name: OpenPairings :many
SELECT channel_id, node FROM pairing WHERE state IN ('asked', 'running') ORDER BY channel_id;

-- name: BeginPairing :execrows
UPDATE pairing SET state = 'running', node = @node, step = step + 1 WHERE channel_id = @channel_id AND id = @id AND state = 'asked';

-- name: ShowCode :execrows
UPDATE pairing SET code = @code, valid_until = @valid_until, step = step + 1
WHERE channel_id = @channel_id AND id = @id AND state = 'running' AND node = @node;

-- name: EndPairing :execrows
UPDATE pairing SET state = @state, failure = @failure, reason = @reason, code = '', valid_until = 0, ended_at = @ended_at, step = step + 1
WHERE channel_id = @channel_id AND id = @id AND state IN ('asked', 'running');

-- name: DropPairing :exec
DELETE FROM pairing WHERE channel_id = @channel_id;

-- name: AddAsk :exec
INSERT INTO ask (id, channel_id, kind, question, expires_at, answered, answer) VALUES (@id, @channel_id, @kind, @question, @expires_at, 0, '');

-- name: OpenAsks :many
SELECT id, channel_id, kind, question, expires_at FROM ask WHERE answered = 0 AND expires_at > @now ORDER BY channel_id, id;

-- name: TakeAsk :execrows
UPDATE ask SET answered = 2 WHERE id = @id AND answered = 0;

-- name: AnswerAsk :execrows
UPDATE ask SET answered = 1, answer = @answer WHERE id = @id AND answered = 2;

-- name: AskAnswered :one
SELECT answer FROM ask WHERE id = @id AND answered = 1;

-- name: DropAsk :exec
DELETE FROM ask WHERE id = @id;

-- name: DropOldAsks :execrows
DELETE FROM ask WHERE expires_at < @now;

-- name: NumberCheck :one
SELECT there, person FROM number_check WHERE channel_id = @channel_id AND phone = @phone AND expires_at > @now;

-- name: PutNumberCheck :exec
INSERT INTO number_check (channel_id, phone, there, person, expires_at) VALUES (@channel_id, @phone, @there, @person, @expires_at)
ON CONFLICT (channel_id, phone) DO UPDATE SET there = excluded.there, person = excluded.person, expires_at = excluded.expires_at;

-- name: DropNumberCheck :exec
DELETE FROM number_check WHERE channel_id = @channel_id AND phone = @phone;

-- name: DropNumberChecksOn :exec
DELETE FROM number_check WHERE channel_id = @channel_id;

-- A share at a time.
-- name: DropOldNumberChecks :execrows
DELETE FROM number_check WHERE (channel_id, phone) IN (
    SELECT o.channel_id, o.phone FROM number_check AS o WHERE o.expires_at < @now ORDER BY o.expires_at LIMIT 1000
);

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

-- name: CountDriverStates :one
SELECT count(*) FROM driver_state WHERE channel_id = @channel_id AND name >= @first AND name < @past;

-- A share at a time.
-- name: DropExpiredDriverStates :execrows
DELETE FROM driver_state WHERE (channel_id, name) IN (
    SELECT e.channel_id, e.name FROM driver_state AS e WHERE e.expires_at > 0 AND e.expires_at < @now ORDER BY e.expires_at LIMIT 1000
);
