-- name: AddAccount :execrows
INSERT INTO account (id, parent_id, name, region, currency, operator, active, username, password, updated_at)
VALUES (@id, @parent_id, @name, @region, @currency, @operator, 1, @username, @password, @updated_at)
ON CONFLICT DO NOTHING;

-- name: AccountThere :one
SELECT id FROM account WHERE id = @id;

-- name: SetActive :execrows
UPDATE account SET active = @active, updated_at = @updated_at WHERE id = @id;

-- name: Accounts :many
SELECT id, parent_id, name, region, currency, operator, active, username FROM account ORDER BY id;

-- name: PasswordOf :one
SELECT password FROM account WHERE id = @id;

-- name: SetSignIn :execrows
UPDATE account SET username = @username, password = @password, updated_at = @updated_at
WHERE account.id = @id AND NOT EXISTS (SELECT 1 FROM account AS other WHERE other.username = @username AND other.id <> @id);
