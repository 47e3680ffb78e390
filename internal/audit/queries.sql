-- name: AddEntry :exec
INSERT INTO audit (id, account_id, actor, action, subject, detail, address, seq, previous, was, became)
VALUES (@id, @account_id, @actor, @action, @subject, @detail, @address, @seq, @previous, @was, @became);

-- name: Head :one
SELECT seq, oldest, hash FROM audit_head WHERE chain = @chain;

-- name: SetHead :exec
INSERT INTO audit_head (chain, seq, oldest, hash) VALUES (@chain, @seq, @oldest, @hash)
ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, oldest = excluded.oldest, hash = excluded.hash;

-- What was written before there was a chain.
-- name: DropUnchained :execrows
DELETE FROM audit WHERE id IN (SELECT o.id FROM audit AS o WHERE o.id < @before AND o.seq = 0 ORDER BY o.id LIMIT 500);

-- The chain is only cut at its old end.
-- name: OldestEntries :many
SELECT id, seq FROM audit WHERE seq > @after AND seq > 0 ORDER BY seq LIMIT 500;

-- name: DropEntries :exec
DELETE FROM audit WHERE seq > 0 AND seq <= @last;

-- name: ChainFrom :many
SELECT id, account_id, actor, action, subject, detail, address, seq, previous, was, became FROM audit
WHERE seq > @after AND seq > 0 ORDER BY seq LIMIT 500;

-- name: EntriesOf :many
SELECT id, account_id, actor, action, subject, detail, address, seq, previous, was, became FROM audit
WHERE account_id = @account_id AND id < @before AND id >= @since ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: EntriesOfAll :many
SELECT id, account_id, actor, action, subject, detail, address, seq, previous, was, became FROM audit
WHERE id < @before AND id >= @since ORDER BY id DESC LIMIT CAST(@page AS bigint);
