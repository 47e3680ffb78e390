-- name: AddKey :exec
INSERT INTO api_key (id, account_id, hash, name, hint, test, scopes, addresses, origins, expires_at, senders, channels, rate, warned, spend_limit, spent, spent_day)
VALUES (@id, @account_id, @hash, @name, @hint, @test, @scopes, @addresses, @origins, @expires_at, @senders, @channels, @rate, @warned, @spend_limit, @spent, @spent_day);

-- name: KeyByHash :one
SELECT * FROM api_key WHERE hash = @hash;

-- name: OneKey :one
SELECT * FROM api_key
WHERE id = @id AND account_id = @account_id;

-- name: KeysOf :many
SELECT * FROM api_key
WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: RevokeKey :execrows
UPDATE api_key SET revoked_at = @revoked_at WHERE id = @id AND account_id = @account_id AND revoked_at = 0;

-- name: UseKey :execrows
UPDATE api_key SET used_at = @used_at WHERE id = @id AND used_at < @used_at;

-- name: AllOrigins :many
SELECT DISTINCT account_id, origins FROM api_key WHERE origins <> '' AND revoked_at = 0;

-- name: ChangeKey :exec
UPDATE api_key SET name = @name, scopes = @scopes, addresses = @addresses, origins = @origins, senders = @senders, channels = @channels, rate = @rate,
    spend_limit = @spend_limit
WHERE id = @id;

-- name: ReplaceKey :exec
UPDATE api_key SET successor = @successor, rotated_at = @rotated_at, expires_at = @expires_at WHERE id = @id;

-- Keys about whose end something is to be told: within so many days of it, of which was not told yet.
-- name: ExpiringKeys :many
SELECT id, account_id, name, hint, expires_at FROM api_key
WHERE expires_at > @now AND expires_at <= @soon AND revoked_at = 0 AND successor = 0
    AND (warned = 0 OR warned > 7 AND expires_at <= @sooner OR warned > 1 AND expires_at <= @soonest)
ORDER BY expires_at LIMIT 200;

-- name: SetWarned :exec
UPDATE api_key SET warned = @warned WHERE id = @id;

-- What a key may spend in a day, and has spent on this one.
-- name: Spending :one
SELECT id, spend_limit, CAST(CASE WHEN spent_day = CAST(@today AS bigint) THEN spent ELSE 0 END AS bigint) AS spent FROM api_key WHERE id = @id;

-- name: SetSpent :exec
UPDATE api_key SET spent = @spent, spent_day = @today WHERE id = @id;

-- Those of a name that are in use, but for the newest.
-- name: OlderKeys :many
SELECT id FROM api_key WHERE account_id = @account_id AND name = @name AND revoked_at = 0 ORDER BY id DESC LIMIT 100 OFFSET CAST(@keep AS bigint);

-- The newest of a name that is in use.
-- name: NewestKey :one
SELECT * FROM api_key WHERE account_id = @account_id AND name = @name AND revoked_at = 0 AND expires_at > @now ORDER BY id DESC LIMIT 1;
