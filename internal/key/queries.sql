-- name: AddKey :exec
INSERT INTO api_key (id, account_id, hash, name, hint, test, scopes, addresses, origins, expires_at)
VALUES (@id, @account_id, @hash, @name, @hint, @test, @scopes, @addresses, @origins, @expires_at);

-- name: KeyByHash :one
SELECT id, account_id, hash, name, hint, test, scopes, addresses, origins, expires_at, revoked_at, used_at FROM api_key WHERE hash = @hash;

-- name: OneKey :one
SELECT id, account_id, hash, name, hint, test, scopes, addresses, origins, expires_at, revoked_at, used_at FROM api_key
WHERE id = @id AND account_id = @account_id;

-- name: KeysOf :many
SELECT id, account_id, hash, name, hint, test, scopes, addresses, origins, expires_at, revoked_at, used_at FROM api_key
WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: RevokeKey :execrows
UPDATE api_key SET revoked_at = @revoked_at WHERE id = @id AND account_id = @account_id AND revoked_at = 0;

-- name: UseKey :execrows
UPDATE api_key SET used_at = @used_at WHERE id = @id AND used_at < @used_at;

-- name: AllOrigins :many
SELECT DISTINCT origins FROM api_key WHERE origins <> '' AND revoked_at = 0;
