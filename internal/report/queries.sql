-- name: AddUsage :exec
INSERT INTO usage (account_id, day, channel_id, kind, accepted, parts, sent, delivered, failed, unknown, inbound, charged)
VALUES (@account_id, @day, @channel_id, @kind, @accepted, @parts, @sent, @delivered, @failed, @unknown, @inbound, @charged)
ON CONFLICT (account_id, day, channel_id) DO UPDATE SET
    accepted = usage.accepted + excluded.accepted, parts = usage.parts + excluded.parts, sent = usage.sent + excluded.sent,
    delivered = usage.delivered + excluded.delivered, failed = usage.failed + excluded.failed, unknown = usage.unknown + excluded.unknown,
    inbound = usage.inbound + excluded.inbound, charged = usage.charged + excluded.charged;

-- name: UsageOf :many
SELECT account_id, day, channel_id, kind, accepted, parts, sent, delivered, failed, unknown, inbound, charged FROM usage
WHERE account_id = @account_id AND day >= @since AND day <= @until ORDER BY day, channel_id;

-- name: DropUsage :execrows
DELETE FROM usage WHERE (account_id, day, channel_id) IN (
    SELECT o.account_id, o.day, o.channel_id FROM usage AS o WHERE o.day < @before ORDER BY o.day LIMIT 500);
