-- name: Kept :one
SELECT sealed FROM acme WHERE name = @name;

-- name: Keep :exec
INSERT INTO acme (name, sealed, updated_at) VALUES (@name, @sealed, @now)
ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at;

-- name: Forget :exec
DELETE FROM acme WHERE name = @name;
