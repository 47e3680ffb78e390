-- name: GetNotification :one
SELECT emails, kinds FROM notification WHERE account_id = @account_id;

-- name: SetNotification :exec
INSERT INTO notification (account_id, emails, kinds) VALUES (@account_id, @emails, @kinds)
ON CONFLICT (account_id) DO UPDATE SET emails = excluded.emails, kinds = excluded.kinds;

-- When mail about a thing may leave: at once, or a while after the last. Nothing while there is one that waits for that.
-- name: NoteMail :one
INSERT INTO mailed (account_id, kind, subject, at) VALUES (@account_id, @kind, @subject, @now)
ON CONFLICT (account_id, kind, subject) DO UPDATE
SET at = CASE WHEN mailed.at + CAST(@pause AS bigint) <= excluded.at THEN excluded.at ELSE mailed.at + CAST(@pause AS bigint) END
WHERE mailed.at <= excluded.at RETURNING at;

-- name: DropMailed :execrows
DELETE FROM mailed WHERE (account_id, kind, subject) IN (
    SELECT o.account_id, o.kind, o.subject FROM mailed AS o WHERE o.at <= @before ORDER BY o.at LIMIT 500);
