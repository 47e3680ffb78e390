-- name: AddNumber :execrows
INSERT INTO number (id, account_id, channel_id, address, keyword) VALUES (@id, @account_id, @channel_id, @address, @keyword)
ON CONFLICT (channel_id, address, keyword) DO NOTHING;

-- name: DropNumber :execrows
DELETE FROM number WHERE id = @id AND account_id = @account_id;

-- name: Numbers :many
SELECT id, account_id, channel_id, address, keyword FROM number ORDER BY id;

-- name: ChangeNumber :execrows
UPDATE number SET account_id = @account_id, keyword = @keyword
WHERE number.id = @id AND NOT EXISTS (
    SELECT 1 FROM number AS n WHERE n.channel_id = number.channel_id AND n.address = number.address AND n.keyword = @keyword AND n.id <> number.id
);

-- name: DropNumbersOn :exec
DELETE FROM number WHERE channel_id = @channel_id;

-- name: AddSender :execrows
INSERT INTO sender (id, account_id, channel_id, address) VALUES (@id, @account_id, @channel_id, @address)
ON CONFLICT (channel_id, address, account_id) DO NOTHING;

-- name: DropSender :execrows
DELETE FROM sender WHERE id = @id;

-- name: DropSendersOn :exec
DELETE FROM sender WHERE channel_id = @channel_id;

-- name: Senders :many
SELECT id, account_id, channel_id, address FROM sender ORDER BY id;
