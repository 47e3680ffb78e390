-- name: AddTemplate :exec
INSERT INTO template (id, account_id, number, name, folded, body, updated_at)
VALUES (@id, @account_id, @number, @name, @folded, @body, @updated_at);

-- name: ChangeTemplate :exec
UPDATE template SET name = @name, folded = @folded, body = @body, updated_at = @updated_at WHERE id = @id;

-- name: DropTemplate :exec
DELETE FROM template WHERE id = @id;

-- name: OneTemplate :one
SELECT * FROM template WHERE id = @id AND account_id = @account_id;

-- name: TemplateNumbered :one
SELECT * FROM template WHERE account_id = @account_id AND number = @number;

-- name: TemplateNamed :one
SELECT id FROM template WHERE account_id = @account_id AND folded = @folded;

-- name: CountTemplates :one
SELECT count(*) FROM template WHERE account_id = @account_id;

-- name: TemplatesOf :many
SELECT * FROM template WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);
