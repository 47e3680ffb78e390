-- name: AddNumber :execrows
INSERT INTO number (id, account_id, channel_id, address, keyword) VALUES (@id, @account_id, @channel_id, @address, @keyword)
ON CONFLICT (channel_id, address, keyword) DO NOTHING;

-- name: DropNumber :execrows
DELETE FROM number WHERE id = @id AND account_id = @account_id;

-- name: Numbers :many
SELECT id, account_id, channel_id, address, keyword FROM number ORDER BY id;
