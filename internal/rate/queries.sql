-- name: Allowance :one
SELECT full_at FROM allowance WHERE name = @name;

-- name: SetAllowance :exec
INSERT INTO allowance (name, full_at) VALUES (@name, @full_at) ON CONFLICT (name) DO UPDATE SET full_at = excluded.full_at;

-- name: DropFull :execrows
DELETE FROM allowance WHERE name IN (SELECT o.name FROM allowance AS o WHERE o.full_at <= @now ORDER BY o.full_at LIMIT 500);
