-- name: AddEntry :exec
INSERT INTO audit (id, account_id, actor, action, subject, detail, address)
VALUES (@id, @account_id, @actor, @action, @subject, @detail, @address);

-- name: DropEntries :execrows
DELETE FROM audit WHERE id IN (SELECT o.id FROM audit AS o WHERE o.id < @before ORDER BY o.id LIMIT 500);

-- name: EntriesOf :many
SELECT id, account_id, actor, action, subject, detail, address FROM audit
WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);
