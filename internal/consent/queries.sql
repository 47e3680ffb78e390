-- The next account that has ever had an opt-out.
-- name: NextWithOptOuts :one
SELECT account_id FROM opt_out WHERE account_id > @after ORDER BY account_id LIMIT 1;

-- name: IsOut :one
SELECT out FROM opt_out WHERE account_id = @account_id AND address = @address;

-- Writes the choice and answers only when it differs from the last one. Who never opted out is in already.
-- name: Choose :one
INSERT INTO opt_out (account_id, address, at, seq, out, id)
SELECT CAST(@account_id AS bigint), CAST(@address AS text), CAST(@at AS bigint), 1, CAST(@out AS smallint), CAST(@id AS bigint)
WHERE CAST(@out AS smallint) = 1
    OR EXISTS (SELECT 1 FROM opt_out AS o WHERE o.account_id = CAST(@account_id AS bigint) AND o.address = CAST(@address AS text))
ON CONFLICT (account_id, address) DO UPDATE SET at = excluded.at, seq = opt_out.seq + 1, out = excluded.out
WHERE opt_out.out <> excluded.out
RETURNING id, seq;

-- name: AddConsent :exec
INSERT INTO consent_log (id, account_id, address, out, source, word, actor, note)
VALUES (@id, @account_id, @address, @out, @source, @word, @actor, @note);

-- name: OptedOutOf :many
SELECT id, address, at FROM opt_out WHERE account_id = @account_id AND out = 1 AND id < @before
ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: OptOutOf :one
SELECT id, address, at FROM opt_out WHERE account_id = @account_id AND address = @address AND out = 1;

-- name: OptOutByID :one
SELECT id, address, at FROM opt_out WHERE account_id = @account_id AND id = @id AND out = 1;

-- name: ConsentsOf :many
SELECT id, address, out, source, word, actor, note FROM consent_log WHERE account_id = @account_id AND id < @before
ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: RepliesOf :one
SELECT replies FROM auto_reply WHERE account_id = @account_id;

-- name: SetReplies :exec
INSERT INTO auto_reply (account_id, replies) VALUES (@account_id, @replies)
ON CONFLICT (account_id) DO UPDATE SET replies = excluded.replies;

-- name: ConsentsOfAddress :many
SELECT id, address, out, source, word, actor, note FROM consent_log
WHERE account_id = @account_id AND address = @address AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: SubjectOf :one
SELECT id FROM opt_out WHERE account_id = @account_id AND address = @address;

-- name: ErasedIn :one
SELECT address FROM opt_out WHERE account_id = @account_id AND address >= 'erased:' AND address < 'erased;' ORDER BY address LIMIT 1;

-- name: ForgetOptOut :exec
UPDATE opt_out SET address = @mark WHERE account_id = @account_id AND address = @address;

-- name: ForgetConsents :exec
UPDATE consent_log SET address = @mark, word = '', note = '' WHERE account_id = @account_id AND address = @address;
