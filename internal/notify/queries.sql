-- name: GetNotification :one
SELECT emails, kinds FROM notification WHERE account_id = @account_id;

-- name: SetNotification :exec
INSERT INTO notification (account_id, emails, kinds) VALUES (@account_id, @emails, @kinds)
ON CONFLICT (account_id) DO UPDATE SET emails = excluded.emails, kinds = excluded.kinds;

-- One mail about a thing in a while.
-- name: NoteMail :execrows
INSERT INTO mailed (account_id, kind, subject, at) VALUES (@account_id, @kind, @subject, @at)
ON CONFLICT (account_id, kind, subject) DO UPDATE SET at = excluded.at WHERE mailed.at <= @before;

-- name: DropMailed :execrows
DELETE FROM mailed WHERE (account_id, kind, subject) IN (
    SELECT o.account_id, o.kind, o.subject FROM mailed AS o WHERE o.at <= @before ORDER BY o.at LIMIT 500);
