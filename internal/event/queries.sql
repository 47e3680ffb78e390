-- name: AddEvent :exec
INSERT INTO event (subject, seq, account_id, kind, data, at) VALUES (@subject, @seq, @account_id, @kind, @data, @at);

-- name: EventsOf :many
SELECT subject, seq, account_id, kind, data, at FROM event WHERE subject = @subject AND account_id = @account_id ORDER BY seq;

-- name: OneEvent :one
SELECT subject, seq, account_id, kind, data, at FROM event WHERE subject = @subject AND seq = @seq AND account_id = @account_id;

-- Messages' events among those of a span.
-- name: DropEvents :exec
DELETE FROM event WHERE subject >= @first AND subject <= @last AND kind LIKE 'message.%';

-- name: DropOldEvents :execrows
DELETE FROM event WHERE subject IN (SELECT e.subject FROM event AS e WHERE e.subject < @before ORDER BY e.subject LIMIT 200);

-- Events of what is no message: of those only their age decides.
-- name: OtherEvent :one
SELECT subject FROM event WHERE subject >= @from_subject AND subject < @before AND kind NOT LIKE 'message.%' LIMIT 1;
