-- name: AddIssue :exec
INSERT INTO issue (id, account_id, number, message_id, kind, description, comments, email, support, resolved_at, updated_at)
VALUES (@id, @account_id, @number, @message_id, @kind, @description, @comments, @email, '', 0, @updated_at);

-- name: OneIssue :one
SELECT * FROM issue WHERE id = @id;

-- name: HandleIssue :exec
UPDATE issue SET support = @support, resolved_at = @resolved_at, updated_at = @updated_at WHERE id = @id;

-- name: IssuesOf :many
SELECT * FROM issue WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: IssuesFrom :many
SELECT * FROM issue WHERE account_id = @account_id ORDER BY id LIMIT CAST(@page AS bigint) OFFSET CAST(@rows AS bigint);

-- name: AllIssues :many
SELECT * FROM issue WHERE id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: OpenIssues :many
SELECT * FROM issue WHERE resolved_at = 0 AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: ForgetIssuesAbout :exec
UPDATE issue SET description = '', comments = '', email = '', support = '' WHERE message_id = @message_id AND message_id <> 0;

-- name: ForgetIssuesNaming :exec
UPDATE issue SET description = '', comments = '', email = '', support = ''
WHERE account_id = @account_id AND (lower(description) LIKE @pattern OR lower(comments) LIKE @pattern OR lower(support) LIKE @pattern);

-- name: DropOldIssues :exec
DELETE FROM issue WHERE id IN (SELECT i.id FROM issue AS i WHERE i.id < @before ORDER BY i.id LIMIT 500);
