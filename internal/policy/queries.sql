-- name: Policies :many
SELECT account_id, countries, registered, own_number, repeat_seconds, max_parts FROM policy ORDER BY account_id;

-- name: OnePolicy :one
SELECT account_id, countries, registered, own_number, repeat_seconds, max_parts FROM policy WHERE account_id = @account_id;

-- name: SetPolicy :exec
INSERT INTO policy (account_id, countries, registered, own_number, repeat_seconds, max_parts)
VALUES (@account_id, @countries, @registered, @own_number, @repeat_seconds, @max_parts)
ON CONFLICT (account_id) DO UPDATE SET countries = excluded.countries, registered = excluded.registered, own_number = excluded.own_number,
    repeat_seconds = excluded.repeat_seconds, max_parts = excluded.max_parts;

-- name: DropPolicy :execrows
DELETE FROM policy WHERE account_id = @account_id;

-- name: ForgetNumber :execrows
UPDATE policy SET own_number = '' WHERE account_id = @account_id AND own_number = @own_number;

-- name: Approved :many
SELECT account_id, country, sender FROM registration WHERE state = 2;

-- Asks once more for what was refused, and answers nothing where it stands already.
-- name: AskRegistration :one
INSERT INTO registration (id, account_id, country, sender, state, reason, decided_at)
VALUES (@id, @account_id, @country, @sender, 1, '', 0)
ON CONFLICT (account_id, country, sender) DO UPDATE SET state = 1, reason = '', decided_at = 0 WHERE registration.state = 3
RETURNING id;

-- name: RegistrationOf :one
SELECT id FROM registration WHERE account_id = @account_id AND country = @country AND sender = @sender;

-- name: CountRegistrations :one
SELECT count(*) FROM registration WHERE account_id = @account_id;

-- name: DecideRegistration :execrows
UPDATE registration SET state = @state, reason = @reason, decided_at = @decided_at WHERE id = @id;

-- name: DropRegistration :execrows
DELETE FROM registration WHERE id = @id;

-- name: OneRegistration :one
SELECT id, account_id, country, sender, state, reason, decided_at FROM registration WHERE id = @id;

-- name: RegistrationsOf :many
SELECT id, account_id, country, sender, state, reason, decided_at FROM registration WHERE account_id = @account_id AND id < @before
ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: RegistrationsOfIn :many
SELECT id, account_id, country, sender, state, reason, decided_at FROM registration WHERE account_id = @account_id AND state = @state AND id < @before
ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: Registrations :many
SELECT id, account_id, country, sender, state, reason, decided_at FROM registration WHERE id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: RegistrationsIn :many
SELECT id, account_id, country, sender, state, reason, decided_at FROM registration WHERE state = @state AND id < @before
ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- Touches nothing when the same was accepted since.
-- name: Meet :execrows
INSERT INTO sent_lately (mark, at, earlier, expires_at) VALUES (@mark, @at, 0, @expires_at)
ON CONFLICT (mark) DO UPDATE SET at = excluded.at, earlier = sent_lately.at, expires_at = excluded.expires_at
WHERE sent_lately.at <= CAST(@since AS bigint);

-- name: TakeBack :exec
UPDATE sent_lately SET at = earlier, earlier = 0 WHERE mark = @mark AND at = @at;

-- name: SentLately :one
SELECT at FROM sent_lately WHERE mark = @mark;

-- name: DropSent :execrows
DELETE FROM sent_lately WHERE mark IN (SELECT o.mark FROM sent_lately AS o WHERE o.expires_at <= @now ORDER BY o.expires_at LIMIT 500);
