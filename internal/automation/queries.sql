-- name: AddRule :exec
INSERT INTO rule (id, account_id, number, name, about, kind, address, search, term, action, target, webhook, webhook_id, enabled, updated_at)
VALUES (@id, @account_id, @number, @name, @about, @kind, @address, @search, @term, @action, @target, @webhook, @webhook_id, @enabled, @updated_at);

-- name: AllRules :many
SELECT * FROM rule WHERE enabled = 1 ORDER BY account_id, number;

-- name: OneRule :one
SELECT * FROM rule WHERE id = @id AND account_id = @account_id;

-- name: NumberedRule :one
SELECT * FROM rule WHERE account_id = @account_id AND number = @number;

-- name: RulesOf :many
SELECT * FROM rule WHERE account_id = @account_id AND id > @after ORDER BY id LIMIT CAST(@page AS bigint);

-- name: CountRules :one
SELECT count(*) AS n FROM rule WHERE account_id = @account_id;

-- name: ChangeRule :exec
UPDATE rule SET name = @name, kind = @kind, address = @address, search = @search, term = @term, action = @action, target = @target,
  webhook = @webhook, webhook_id = @webhook_id, enabled = @enabled, updated_at = @updated_at
WHERE id = @id AND account_id = @account_id;

-- name: DropRule :exec
DELETE FROM rule WHERE id = @id AND account_id = @account_id;

-- name: RuleFired :exec
UPDATE rule SET fired_at = @at WHERE id = @id AND fired_at < @at;

-- name: RuleFailed :exec
UPDATE rule SET failed_at = @at, error = @error WHERE id = @id;

-- One row is changed when the rule has not answered the sender lately.
-- name: TakeTurn :execrows
INSERT INTO rule_pause (rule_id, sender, until) VALUES (@rule_id, @sender, @until)
ON CONFLICT (rule_id, sender) DO UPDATE SET until = excluded.until WHERE rule_pause.until <= @now;

-- name: DropPauses :execrows
DELETE FROM rule_pause WHERE (rule_id, sender) IN (
  SELECT p.rule_id, p.sender FROM rule_pause AS p WHERE p.until <= @now ORDER BY p.until LIMIT 500);

-- Several rules put a thing into the box once.
-- name: AddBoxed :exec
INSERT INTO boxed (id, account_id, about, message_id, seq, kind, status, reason, code, answers, unread, test)
VALUES (@id, @account_id, @about, @message_id, @seq, @kind, @status, @reason, @code, @answers, 1, @test)
ON CONFLICT (message_id, about, seq) DO NOTHING;

-- name: BoxedAll :many
SELECT * FROM boxed WHERE account_id = @account_id AND about = @about AND id > @after ORDER BY id LIMIT CAST(@page AS bigint);

-- name: BoxedUnread :many
SELECT * FROM boxed WHERE account_id = @account_id AND about = @about AND unread = 1 AND id > @after ORDER BY id LIMIT CAST(@page AS bigint);

-- name: BoxedPage :many
SELECT * FROM boxed WHERE account_id = @account_id AND about = @about AND unread = 1 ORDER BY id LIMIT CAST(@page AS bigint) OFFSET CAST(@skip AS bigint);

-- name: CountUnread :one
SELECT count(*) AS n FROM boxed WHERE account_id = @account_id AND about = @about AND unread = 1;

-- name: BoxedOf :one
SELECT * FROM boxed WHERE message_id = @message_id AND about = @about ORDER BY seq DESC LIMIT 1;

-- name: FirstAnswer :one
SELECT * FROM boxed WHERE answers = @answers AND answers <> 0 ORDER BY id LIMIT 1;

-- name: MarkBefore :execrows
UPDATE boxed SET unread = 0 WHERE id IN (
  SELECT b.id FROM boxed AS b WHERE b.account_id = @account_id AND b.about = @about AND b.unread = 1 AND b.id < @before ORDER BY b.id LIMIT 1000);

-- name: MarkMessage :execrows
UPDATE boxed SET unread = 0 WHERE unread = 1 AND id IN (
  SELECT b.id FROM boxed AS b WHERE b.message_id = @message_id AND b.about = @about);

-- name: ForgetBoxed :exec
DELETE FROM boxed WHERE message_id = @message_id;

-- name: DropBoxed :execrows
DELETE FROM boxed WHERE id IN (SELECT b.id FROM boxed AS b WHERE b.message_id < @before ORDER BY b.message_id LIMIT 500);
