-- name: AddEvent :exec
INSERT INTO event (subject, seq, account_id, kind, data, at, place) VALUES (@subject, @seq, @account_id, @kind, @data, @at, @place);

-- name: EventsOf :many
SELECT * FROM event WHERE subject = @subject AND account_id = @account_id ORDER BY seq;

-- name: EventsUpTo :many
SELECT * FROM event WHERE subject = @subject AND account_id = @account_id AND seq <= @seq
ORDER BY seq DESC LIMIT CAST(@page AS bigint);

-- name: LastOfKind :one
SELECT * FROM event WHERE subject = @subject AND account_id = @account_id AND kind = @kind ORDER BY seq DESC LIMIT 1;

-- name: OneEvent :one
SELECT * FROM event WHERE subject = @subject AND seq = @seq AND account_id = @account_id;

-- Messages' events among those of a span.
-- name: DropEvents :exec
DELETE FROM event WHERE subject >= @first AND subject <= @last AND kind LIKE 'message.%';

-- What is not a message may be much older than its events.
-- name: DropOldEvents :execrows
DELETE FROM event WHERE subject IN (SELECT e.subject FROM event AS e WHERE e.subject < @before AND e.at < @at ORDER BY e.subject LIMIT 200) AND at < @at;

-- Events of what is no message: of those only their age decides.
-- name: OtherEvent :one
SELECT subject FROM event WHERE subject >= @from_subject AND subject < @before AND kind NOT LIKE 'message.%' AND at >= @since LIMIT 1;

-- name: CountSubject :one
INSERT INTO subject (id, seq) VALUES (@id, 1) ON CONFLICT (id) DO UPDATE SET seq = subject.seq + 1 RETURNING seq;

-- Places only rise, and are no lower than the time: a database that comes back from a backup gives none twice.
-- name: TakePlaces :one
INSERT INTO feed (id, place) VALUES (1, CAST(@now AS bigint) + CAST(@many AS bigint)) ON CONFLICT (id) DO UPDATE
SET place = CASE WHEN feed.place < CAST(@now AS bigint) THEN CAST(@now AS bigint) ELSE feed.place END + CAST(@many AS bigint)
RETURNING place;

-- name: LastPlace :one
SELECT place FROM feed WHERE id = 1;

-- name: Feed :many
SELECT * FROM event WHERE account_id = @account_id AND place > @after AND place > 0 ORDER BY place LIMIT CAST(@page AS bigint);

-- name: FeedOf :many
SELECT * FROM event WHERE subject = @subject AND account_id = @account_id AND place > @after ORDER BY seq LIMIT CAST(@page AS bigint);

-- name: RewriteEvent :exec
UPDATE event SET data = @data WHERE subject = @subject AND seq = @seq;
