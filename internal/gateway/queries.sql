-- name: AddMessage :exec
INSERT INTO message (id, account_id, direction, kind, channel_id, recipient, sender, content, status, seq, attempt, total,
    encoding, price, currency, priority, on_unknown, reference, metadata, test, reason, scheduled_at, valid_until, updated_at, answers, joint,
    contact_id, chat, written_at)
VALUES (@id, @account_id, @direction, @kind, @channel_id, @recipient, @sender, @content, @status, @seq, @attempt, @total,
    @encoding, @price, @currency, @priority, @on_unknown, @reference, @metadata, @test, @reason, @scheduled_at, @valid_until, @updated_at, @answers, @joint,
    @contact_id, @chat, @written_at);

-- A change is made to the message as it was read, or not at all.
-- name: ChangeMessage :execrows
UPDATE message SET status = @status, seq = @seq, attempt = @attempt, duplicate = @duplicate, reason = @reason, updated_at = @updated_at
WHERE id = @id AND seq = @old_seq;

-- name: MessageByID :one
SELECT * FROM message WHERE id = @id;

-- name: PartsOf :many
SELECT * FROM part WHERE message_id = @message_id ORDER BY attempt, number;

-- name: SetPart :exec
INSERT INTO part (message_id, attempt, number, account_id, channel_id, remote_id, status, code, sent_at, done_at)
VALUES (@message_id, @attempt, @number, @account_id, @channel_id, @remote_id, @status, @code, @sent_at, @done_at)
ON CONFLICT (message_id, attempt, number) DO UPDATE
SET remote_id = excluded.remote_id, status = excluded.status, code = excluded.code, sent_at = excluded.sent_at, done_at = excluded.done_at;

-- News of a part whose remote id is stored: its index need not be touched.
-- name: MarkPart :exec
UPDATE part SET status = @status, code = @code, done_at = @done_at
WHERE message_id = @message_id AND attempt = @attempt AND number = @number;

-- What a receipt needs to know, in one look. Newest first: a network may use an id again.
-- name: PartsByRemote :many
SELECT m.id, m.account_id, m.recipient, m.status, m.seq, m.attempt, m.total, m.price, m.duplicate, m.reason, m.channel_id AS carrier, m.kind,
    p.attempt AS part_attempt, p.number, p.channel_id, p.remote_id, p.status AS part_status, p.code, p.sent_at, p.done_at
FROM part AS p JOIN message AS m ON m.id = p.message_id
WHERE p.channel_id = @channel_id AND p.remote_id = @remote_id AND p.remote_id <> '' ORDER BY p.message_id DESC, p.attempt DESC LIMIT 20;

-- The messages that a network knows by an id, newest first.
-- name: MessagesByRemote :many
SELECT m.id, m.account_id, m.direction FROM part AS p JOIN message AS m ON m.id = p.message_id
WHERE p.channel_id = @channel_id AND p.remote_id = @remote_id AND p.remote_id <> '' ORDER BY p.message_id DESC, p.attempt DESC LIMIT 20;

-- name: AddDoubt :exec
INSERT INTO doubt (channel_id, reference, message_id, attempt, number, expires_at)
VALUES (@channel_id, @reference, @message_id, @attempt, @number, @expires_at)
ON CONFLICT (channel_id, reference, message_id, attempt, number) DO NOTHING;

-- The parts that a reference of ours may name, of those whose id at the network is not known. Newest first.
-- name: PartsInDoubt :many
SELECT d.message_id, p.account_id, d.attempt, d.number, m.recipient
FROM doubt AS d JOIN part AS p ON p.message_id = d.message_id AND p.attempt = d.attempt AND p.number = d.number
    JOIN message AS m ON m.id = d.message_id
WHERE d.channel_id = @channel_id AND d.reference = @reference AND p.remote_id = ''
ORDER BY d.message_id DESC, d.attempt DESC LIMIT 20;

-- What goes out by another channel than it was accepted for. Its price stays.
-- name: RouteMessage :exec
UPDATE message SET channel_id = @channel_id, sender = @sender, total = @total, encoding = @encoding, joint = @joint WHERE id = @id;

-- name: AddEarly :exec
INSERT INTO early_receipt (id, channel_id, remote_id, receipt, expires_at) VALUES (@id, @channel_id, @remote_id, @receipt, @expires_at);

-- name: EarlyOf :many
SELECT id, receipt FROM early_receipt WHERE channel_id = @channel_id AND remote_id = @remote_id ORDER BY id;

-- name: DropEarly :exec
DELETE FROM early_receipt WHERE channel_id = @channel_id AND remote_id = @remote_id AND receipt = @receipt;

-- The channel stands there twice so that PostgreSQL does not read all channels' receipts in the order of the key.
-- name: EarlyOfChannel :many
SELECT id, remote_id, receipt, expires_at FROM early_receipt WHERE channel_id IN (@channel_id, @channel_id) AND id < @before
ORDER BY channel_id DESC, id DESC LIMIT CAST(@page AS bigint);

-- name: EarlyKeys :many
SELECT DISTINCT channel_id, remote_id FROM early_receipt;

-- name: Reference :one
SELECT message_id FROM reference WHERE account_id = @account_id AND reference = @reference AND expires_at > @now;

-- name: SetReference :exec
INSERT INTO reference (account_id, reference, message_id, expires_at) VALUES (@account_id, @reference, @message_id, @expires_at)
ON CONFLICT (account_id, reference) DO UPDATE SET message_id = excluded.message_id, expires_at = excluded.expires_at;

-- name: Idempotency :one
SELECT fingerprint, outcome FROM idempotency WHERE account_id = @account_id AND scope = @scope AND key = @key AND expires_at > @now;

-- name: SetIdempotency :exec
INSERT INTO idempotency (account_id, scope, key, fingerprint, outcome, expires_at)
VALUES (@account_id, @scope, @key, @fingerprint, @outcome, @expires_at)
ON CONFLICT (account_id, scope, key) DO UPDATE
SET fingerprint = excluded.fingerprint, outcome = excluded.outcome, expires_at = excluded.expires_at;

-- What an inbound message may answer: whatever went out to its sender, or is just going out. Status 20 and above never did. The sum and the
-- offsets keep PostgreSQL on the recipient's index.
-- name: LastOutbound :one
SELECT k.message_id, k.account_id FROM index_piece AS p CROSS JOIN index_recipient AS k
WHERE p.piece >= CAST(@since AS bigint) / 2251799813685248 AND k.piece = p.piece AND k.recipient = @recipient AND k.message_id > CAST(@since AS bigint)
    AND EXISTS (SELECT 1 FROM message AS m WHERE m.id = k.message_id AND m.channel_id = @channel_id AND m.direction = 1 AND m.status < 20 LIMIT 1 OFFSET 0)
ORDER BY k.message_id + 0 DESC LIMIT 1;

-- name: LastOutboundOf :one
SELECT k.message_id FROM index_piece AS p CROSS JOIN index_recipient AS k
WHERE p.piece >= CAST(@since AS bigint) / 2251799813685248
    AND k.piece = p.piece AND k.recipient = @recipient AND k.account_id = @account_id AND k.message_id > CAST(@since AS bigint)
    AND EXISTS (SELECT 1 FROM message AS m WHERE m.id = k.message_id AND m.channel_id = @channel_id AND m.direction = 1 AND m.status < 20 LIMIT 1 OFFSET 0)
ORDER BY p.piece DESC, k.message_id DESC LIMIT 1;

-- What the inbound messages said that were answered.
-- name: AnsweredLately :many
SELECT i.content FROM message AS i WHERE i.id IN (
    SELECT (SELECT o.answers FROM message AS o WHERE o.id = k.message_id AND o.direction = 1 LIMIT 1 OFFSET 0) FROM index_piece AS p CROSS JOIN index_recipient AS k
    WHERE p.piece >= CAST(@since AS bigint) / 2251799813685248
        AND k.piece = p.piece AND k.recipient = @recipient AND k.account_id = @account_id AND k.message_id > CAST(@since AS bigint)
    ORDER BY p.piece DESC, k.message_id DESC LIMIT 500)
ORDER BY i.id DESC LIMIT 50;

-- name: SeeInbound :execrows
INSERT INTO inbound_seen (channel_id, remote_id, expires_at) VALUES (@channel_id, @remote_id, @expires_at)
ON CONFLICT (channel_id, remote_id) DO NOTHING;

-- name: SetInboundPart :exec
INSERT INTO inbound_part (channel_id, sender, recipient, reference, total, number, content, expires_at)
VALUES (@channel_id, @sender, @recipient, @reference, @total, @number, @content, @expires_at)
ON CONFLICT (channel_id, sender, recipient, reference, total, number) DO UPDATE
SET content = excluded.content;

-- name: InboundParts :many
SELECT number, content, expires_at FROM inbound_part
WHERE channel_id = @channel_id AND sender = @sender AND recipient = @recipient AND reference = @reference AND total = @total
ORDER BY number;

-- name: DropInboundParts :exec
DELETE FROM inbound_part
WHERE channel_id = @channel_id AND sender = @sender AND recipient = @recipient AND reference = @reference AND total = @total;

-- name: OperatorAccount :one
SELECT id FROM account WHERE operator = 1 ORDER BY id LIMIT 1;

-- The lists. Each has the index that makes a page cheap however many rows there are. The keys of a page are found first, by
-- that index alone. Of indexes that do not hold all it takes, SQLite prefers the narrowest, which is the account's, and
-- PostgreSQL the order of the keys, when it takes the account for an average one: both would read very many rows for what is rare.
-- name: ListAll :many
SELECT * FROM message WHERE id IN (
    SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.id < @before AND k.id >= @since
    ORDER BY k.id DESC LIMIT CAST(@page AS bigint))
ORDER BY id DESC;

-- name: ListTo :many
SELECT * FROM message WHERE id IN (
    SELECT k.message_id FROM index_piece AS p CROSS JOIN index_recipient AS k WHERE p.piece >= CAST(@since AS bigint) / 2251799813685248
        AND k.piece = p.piece AND k.recipient = @recipient AND k.account_id = @account_id AND k.message_id < @before AND k.message_id >= CAST(@since AS bigint)
    ORDER BY p.piece DESC, k.message_id DESC LIMIT CAST(@page AS bigint))
ORDER BY id DESC;

-- name: ListChannel :many
SELECT * FROM message WHERE id IN (
    SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.channel_id = @channel_id AND k.id < @before AND k.id >= @since
    ORDER BY k.id DESC LIMIT CAST(@page AS bigint))
ORDER BY id DESC;

-- name: ListReference :many
SELECT * FROM message WHERE id IN (
    SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.reference = @reference AND k.reference <> '' AND k.id < @before AND k.id >= @since
    ORDER BY k.id DESC LIMIT CAST(@page AS bigint))
ORDER BY id DESC;

-- name: ListStatus :many
SELECT * FROM message WHERE id IN (
    SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.status = @status AND k.status >= 10 AND k.id < @before AND k.id >= @since
    ORDER BY k.id DESC LIMIT CAST(@page AS bigint))
ORDER BY id DESC;

-- What went out, or will: all that is not received. Of one that receives nearly only, the list of all would be read in vain, so
-- that each status has its own, and those that wait have their jobs.
-- name: ListOut :many
SELECT * FROM message WHERE id IN (
    SELECT DISTINCT u.id FROM (
        SELECT o.id FROM (SELECT j.id FROM job AS j
            WHERE j.kind = 'send' AND j.account_id IN (@account_id, @account_id) AND j.id < @before AND j.id >= @since
            ORDER BY j.account_id DESC, j.id DESC LIMIT CAST(@page AS bigint)) AS o
        UNION ALL
        SELECT o.id FROM (SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.status = 10 AND k.status >= 10 AND k.id < @before AND k.id >= @since
            ORDER BY k.id DESC LIMIT CAST(@page AS bigint)) AS o
        UNION ALL
        SELECT o.id FROM (SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.status = 11 AND k.status >= 10 AND k.id < @before AND k.id >= @since
            ORDER BY k.id DESC LIMIT CAST(@page AS bigint)) AS o
        UNION ALL
        SELECT o.id FROM (SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.status = 12 AND k.status >= 10 AND k.id < @before AND k.id >= @since
            ORDER BY k.id DESC LIMIT CAST(@page AS bigint)) AS o
        UNION ALL
        SELECT o.id FROM (SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.status = 13 AND k.status >= 10 AND k.id < @before AND k.id >= @since
            ORDER BY k.id DESC LIMIT CAST(@page AS bigint)) AS o
        UNION ALL
        SELECT o.id FROM (SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.status = 14 AND k.status >= 10 AND k.id < @before AND k.id >= @since
            ORDER BY k.id DESC LIMIT CAST(@page AS bigint)) AS o
        UNION ALL
        SELECT o.id FROM (SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.status = 20 AND k.status >= 10 AND k.id < @before AND k.id >= @since
            ORDER BY k.id DESC LIMIT CAST(@page AS bigint)) AS o
        UNION ALL
        SELECT o.id FROM (SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.status = 21 AND k.status >= 10 AND k.id < @before AND k.id >= @since
            ORDER BY k.id DESC LIMIT CAST(@page AS bigint)) AS o
        UNION ALL
        SELECT o.id FROM (SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.status = 22 AND k.status >= 10 AND k.id < @before AND k.id >= @since
            ORDER BY k.id DESC LIMIT CAST(@page AS bigint)) AS o
    ) AS u ORDER BY u.id DESC LIMIT CAST(@page AS bigint))
ORDER BY id DESC;

-- The window of a search: as much of the newest messages as it looks at.
-- name: SearchAll :many
SELECT m.id, m.direction, m.status, m.scheduled_at, m.recipient, m.sender, CAST(CASE WHEN CAST(@texts AS bigint) = 1 THEN m.content ELSE '' END AS text) AS content
FROM message AS m WHERE m.id IN (
    SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.id < @before AND k.id >= @since
    ORDER BY k.id DESC LIMIT CAST(@page AS bigint))
    AND m.kind = @kind
ORDER BY m.id DESC;

-- name: SearchTo :many
SELECT m.id, m.direction, m.status, m.scheduled_at, m.recipient, m.sender, CAST(CASE WHEN CAST(@texts AS bigint) = 1 THEN m.content ELSE '' END AS text) AS content
FROM message AS m WHERE m.id IN (
    SELECT k.message_id FROM index_piece AS p CROSS JOIN index_recipient AS k WHERE p.piece >= CAST(@since AS bigint) / 2251799813685248
        AND k.piece = p.piece AND k.recipient = @recipient AND k.account_id = @account_id AND k.message_id < @before AND k.message_id >= CAST(@since AS bigint)
    ORDER BY p.piece DESC, k.message_id DESC LIMIT CAST(@page AS bigint))
    AND m.kind = @kind
ORDER BY m.id DESC;

-- What was said to and by one contact over a channel.
-- name: ListContact :many
SELECT * FROM message WHERE id IN (
    SELECT k.id FROM message AS k WHERE k.contact_id = @contact_id AND k.contact_id <> 0 AND k.channel_id = @channel_id AND k.id < @before
    ORDER BY k.id DESC LIMIT CAST(@page AS bigint))
ORDER BY id DESC;

-- A message that waits has a job, which tells whether it has the status, but for being held: that the message tells. Only so many
-- jobs are looked at: WaitingFloor is where that ends. The numbers are those of the
-- statuses. The account stands there twice so that PostgreSQL cannot take the index of the key, in which are all accounts' jobs.
-- name: ListWaiting :many
SELECT sqlc.embed(m), j.owner FROM message AS m JOIN job AS j ON j.id = m.id WHERE m.id IN (
    SELECT o.id FROM job AS o WHERE o.id IN (
        SELECT k.id FROM job AS k
        WHERE k.kind = 'send' AND k.account_id IN (@account_id, @account_id) AND k.id < @before AND k.id >= @since
        ORDER BY k.account_id DESC, k.id DESC LIMIT CAST(@jobs AS bigint))
    AND CASE WHEN o.owner <> 0 THEN 4 WHEN o.fence = 0 AND o.due_at > CAST(@now AS bigint) THEN 1 ELSE 3 END = CAST(@phase AS bigint)
    AND CASE WHEN CAST(@status AS bigint) = 2 THEN (SELECT h.status FROM message AS h WHERE h.id = o.id) ELSE 2 END = 2
    ORDER BY o.id DESC LIMIT CAST(@page AS bigint))
ORDER BY m.id DESC;

-- name: WaitingFloor :one
SELECT id FROM job WHERE kind = 'send' AND account_id IN (@account_id, @account_id) AND id < @before AND id >= @since
ORDER BY account_id DESC, id DESC LIMIT 1 OFFSET CAST(@jobs AS bigint);

-- name: WorkedAt :one
SELECT owner FROM job WHERE id = @id;

-- name: OldMessages :many
SELECT id, account_id, channel_id, status, valid_until FROM message WHERE id >= @from_id AND id < @before ORDER BY id LIMIT CAST(@page AS bigint);

-- Any of a span that DropMessages leaves.
-- name: StayingMessage :one
SELECT id FROM message WHERE id >= @from_id AND id < @before AND (status < 10 OR valid_until >= @over) LIMIT 1;

-- name: EmptyMessage :exec
UPDATE message SET content = '' WHERE id = @id AND content <> '';

-- What still waits, or may still be given its money back, stays. The sum keeps PostgreSQL from the index of statuses.
-- name: DropMessages :exec
DELETE FROM message WHERE id >= @first AND id <= @last AND status + 0 >= 10 AND valid_until < @over;

-- name: DropParts :exec
DELETE FROM part WHERE message_id >= @first AND message_id <= @last;

-- Pieces of the index of recipients of which every message is older. There are none on PostgreSQL.
-- name: OldPieces :many
SELECT piece FROM index_piece WHERE piece < @piece ORDER BY piece;

-- Entries whose message is gone.
-- name: DropRecipients :execrows
DELETE FROM index_recipient AS k WHERE k.piece = @piece AND (k.recipient, k.account_id, k.message_id) IN (
    SELECT o.recipient, o.account_id, o.message_id FROM index_recipient AS o
    WHERE o.piece = @piece AND NOT EXISTS (SELECT 1 FROM message AS m WHERE m.id = o.message_id)
    ORDER BY o.recipient, o.account_id, o.message_id LIMIT 500);

-- name: DropPieces :exec
DELETE FROM index_piece AS p WHERE p.piece < @piece AND NOT EXISTS (SELECT 1 FROM index_recipient AS k WHERE k.piece = p.piece);

-- The small tables lose what has expired a share at a time: others must not wait long behind it.
-- name: DropReferences :execrows
DELETE FROM reference WHERE (account_id, reference) IN (
    SELECT o.account_id, o.reference FROM reference AS o WHERE o.expires_at <= @now ORDER BY o.expires_at LIMIT 500);

-- name: DropIdempotency :execrows
DELETE FROM idempotency WHERE (account_id, scope, key) IN (
    SELECT o.account_id, o.scope, o.key FROM idempotency AS o WHERE o.expires_at <= @now ORDER BY o.expires_at LIMIT 500);

-- name: DropOldEarly :execrows
DELETE FROM early_receipt WHERE id IN (SELECT o.id FROM early_receipt AS o WHERE o.expires_at <= @now ORDER BY o.expires_at LIMIT 500);

-- name: DropOldInboundParts :execrows
DELETE FROM inbound_part WHERE (channel_id, sender, recipient, reference, total, number) IN (
    SELECT o.channel_id, o.sender, o.recipient, o.reference, o.total, o.number FROM inbound_part AS o
    WHERE o.expires_at <= @now ORDER BY o.expires_at LIMIT 500);

-- name: DropSeen :execrows
DELETE FROM inbound_seen WHERE (channel_id, remote_id) IN (
    SELECT o.channel_id, o.remote_id FROM inbound_seen AS o WHERE o.expires_at <= @now ORDER BY o.expires_at LIMIT 500);

-- name: DropDoubts :execrows
DELETE FROM doubt WHERE (channel_id, reference, message_id, attempt, number) IN (
    SELECT o.channel_id, o.reference, o.message_id, o.attempt, o.number FROM doubt AS o WHERE o.expires_at <= @now ORDER BY o.expires_at LIMIT 500);

-- What an export reads: all of an account, or what went to a person, or came from one, oldest first.
-- name: NextAll :many
SELECT * FROM message WHERE id IN (
    SELECT k.id FROM message AS k WHERE k.account_id = @account_id AND k.id > @after AND k.id < @before
    ORDER BY k.id LIMIT CAST(@page AS bigint))
ORDER BY id;

-- name: NextTo :many
SELECT * FROM message WHERE id IN (
    SELECT k.message_id FROM index_piece AS p CROSS JOIN index_recipient AS k WHERE p.piece >= CAST(@after AS bigint) / 2251799813685248
        AND k.piece = p.piece AND k.recipient = @recipient AND k.account_id = @account_id AND k.message_id > CAST(@after AS bigint) AND k.message_id < @before
    ORDER BY p.piece, k.message_id LIMIT CAST(@page AS bigint))
ORDER BY id;

-- name: NextFrom :many
SELECT * FROM message WHERE id IN (
    SELECT k.id FROM message AS k WHERE k.sender = @sender AND k.account_id = @account_id AND k.direction = 2 AND k.id > @after AND k.id < @before
    ORDER BY k.id LIMIT CAST(@page AS bigint))
ORDER BY id;

-- What is left of a message once a person is erased: what it cost, and what became of it.
-- name: EraseMessage :exec
UPDATE message SET recipient = @recipient, sender = @sender, content = '', reference = '', metadata = '', contact_id = 0 WHERE id = @id;

-- name: DropReference :exec
DELETE FROM reference WHERE account_id = @account_id AND reference = @reference AND message_id = @message_id;

-- Parts of a text from a person: all at a channel, or those to one number.
-- name: DropPartsFrom :exec
DELETE FROM inbound_part WHERE channel_id = @channel_id AND sender = @sender
    AND (CAST(@any_recipient AS bigint) = 1 OR recipient = @recipient);

-- name: NextKeys :many
SELECT scope, key, outcome FROM idempotency
WHERE account_id = @account_id AND scope >= @scope AND (scope > @scope OR key > @key) ORDER BY scope, key LIMIT CAST(@page AS bigint);

-- name: DropKey :exec
DELETE FROM idempotency WHERE account_id = @account_id AND scope = @scope AND key = @key;

-- name: SetOutcome :exec
UPDATE idempotency SET outcome = @outcome WHERE account_id = @account_id AND scope = @scope AND key = @key;
