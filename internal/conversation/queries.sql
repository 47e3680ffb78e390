-- Times only rise. What somebody read stays read.
-- name: Record :exec
INSERT INTO conversation (id, account_id, channel_id, contact_id, in_at, out_at, at, unread)
VALUES (@id, @account_id, @channel_id, @contact_id, @in_at, @out_at, @at, @unread)
ON CONFLICT (contact_id, channel_id) DO UPDATE SET
    in_at = CASE WHEN excluded.in_at > conversation.in_at THEN excluded.in_at ELSE conversation.in_at END,
    out_at = CASE WHEN excluded.out_at > conversation.out_at THEN excluded.out_at ELSE conversation.out_at END,
    at = CASE WHEN excluded.at > conversation.at THEN excluded.at ELSE conversation.at END,
    unread = CASE WHEN CAST(@reads AS bigint) = 1 THEN 0 ELSE conversation.unread + excluded.unread END;

-- name: Conversations :many
SELECT * FROM conversation WHERE id IN (
    SELECT k.id FROM conversation AS k
    WHERE k.account_id = @account_id AND k.at <= @before_at AND (k.at < @before_at OR k.id < @before_id)
    ORDER BY k.at DESC, k.id DESC LIMIT CAST(@page AS bigint))
ORDER BY at DESC, id DESC;

-- name: ConversationsOf :many
SELECT * FROM conversation WHERE contact_id = @contact_id ORDER BY channel_id;

-- name: OneConversation :one
SELECT * FROM conversation WHERE id = @id;

-- name: ReadConversation :exec
UPDATE conversation SET unread = 0 WHERE id = @id AND account_id = @account_id;

-- name: SetConversation :exec
UPDATE conversation SET contact_id = @contact_id, in_at = @in_at, out_at = @out_at, at = @at, unread = @unread WHERE id = @id;

-- name: DropConversation :exec
DELETE FROM conversation WHERE id = @id;

-- name: DropConversationsOf :exec
DELETE FROM conversation WHERE contact_id = @contact_id;
