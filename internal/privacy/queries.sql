-- name: AddExport :exec
INSERT INTO export (id, account_id, address, expires_at) VALUES (@id, @account_id, @address, @expires_at);

-- name: OneExport :one
SELECT * FROM export WHERE id = @id;

-- name: ExportsOf :many
SELECT * FROM export WHERE account_id = @account_id AND id < @before AND expires_at > @now ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: RunningExports :one
SELECT count(*) AS n FROM export WHERE account_id = @account_id AND state = 0 AND expires_at > @now;

-- name: MoveExport :exec
UPDATE export SET done = @done, size = @size, state = @state, ended_at = @ended_at WHERE id = @id AND state = 0;

-- An export that was deleted meanwhile gets no more pieces.
-- name: AddPiece :exec
INSERT INTO export_piece (export_id, number, data)
SELECT CAST(@export_id AS bigint), CAST(@number AS bigint), CAST(@data AS text)
WHERE EXISTS (SELECT 1 FROM export AS e WHERE e.id = CAST(@export_id AS bigint))
ON CONFLICT (export_id, number) DO NOTHING;

-- name: OnePiece :one
SELECT data FROM export_piece WHERE export_id = @export_id AND number = @number;

-- name: DropPieces :execrows
DELETE FROM export_piece WHERE (export_id, number) IN (
    SELECT p.export_id, p.number FROM export_piece AS p
    WHERE p.export_id IN (SELECT o.id FROM export AS o WHERE o.expires_at <= @now ORDER BY o.expires_at LIMIT 100) LIMIT 100);

-- name: DropExports :execrows
DELETE FROM export WHERE id IN (
    SELECT o.id FROM export AS o WHERE o.expires_at <= @now AND NOT EXISTS (SELECT 1 FROM export_piece AS p WHERE p.export_id = o.id)
    ORDER BY o.expires_at LIMIT 100);

-- name: ExpireExports :exec
UPDATE export SET expires_at = 0 WHERE account_id = @account_id AND expires_at > 0;

-- An erasure that comes back after a restore may be there already.
-- name: AddErasure :execrows
INSERT INTO erasure (id, account_id, address, mark) VALUES (@id, @account_id, @address, @mark) ON CONFLICT (id) DO NOTHING;

-- name: OneErasure :one
SELECT * FROM erasure WHERE id = @id;

-- name: ErasuresOf :many
SELECT * FROM erasure WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: CountErased :exec
UPDATE erasure SET messages = messages + CAST(@messages AS bigint), cancelled = cancelled + CAST(@cancelled AS bigint) WHERE id = @id;

-- name: EndErasure :exec
UPDATE erasure SET state = 1, address = '', ended_at = @ended_at WHERE id = @id AND state = 0;
