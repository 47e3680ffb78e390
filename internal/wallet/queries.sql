-- name: OpenWallet :execrows
INSERT INTO wallet (account_id, currency) VALUES (@account_id, @currency) ON CONFLICT (account_id) DO NOTHING;

-- name: BalanceOf :one
SELECT currency, available, held, charged, credit_limit, low_at FROM wallet WHERE account_id = @account_id;

-- name: Wallets :many
SELECT account_id, currency FROM wallet;

-- name: Room :one
SELECT CAST(available + credit_limit AS bigint) AS room FROM wallet WHERE account_id = @account_id;

-- Spending stops at the credit limit; nothing else is refused. low tells that the balance has just fallen below its threshold.
-- name: Spend :one
UPDATE wallet SET available = available + @available, held = held + @held, funded = funded + @funded,
    low = CASE WHEN low_at < 0 OR available + @available >= low_at THEN 0 WHEN low = 0 THEN 1 ELSE 2 END
WHERE account_id = @account_id AND (CAST(@available AS bigint) >= 0 OR available + @available >= -credit_limit)
RETURNING account_id, currency, available, held, charged, credit_limit, low_at, low;

-- name: ReleaseHeld :exec
UPDATE wallet SET available = available + @available, held = held + @held, charged = charged + @charged,
    low = CASE WHEN low_at < 0 OR available + @available >= low_at THEN 0 ELSE low END
WHERE account_id = @account_id;

-- name: SetCreditLimit :one
UPDATE wallet SET credit_limit = @credit_limit, low = CASE WHEN low = 0 THEN 0 ELSE 2 END
WHERE account_id = @account_id AND available + @credit_limit >= 0
RETURNING account_id, currency, available, held, charged, credit_limit, low_at, low;

-- name: SetLowAt :one
UPDATE wallet SET low_at = @low_at,
    low = CASE WHEN CAST(@low_at AS bigint) < 0 OR available >= @low_at THEN 0 WHEN low = 0 THEN 1 ELSE 2 END
WHERE account_id = @account_id
RETURNING account_id, currency, available, held, charged, credit_limit, low_at, low;

-- name: EntriesOf :many
SELECT subject, step, debit, credit, amount, at, note, spender FROM transfer
WHERE account_id = @account_id AND subject < @before ORDER BY subject DESC, step DESC LIMIT CAST(@page AS bigint);

-- name: AddTransfer :execrows
INSERT INTO transfer (account_id, subject, step, debit, credit, amount, at, note, spender)
VALUES (@account_id, @subject, @step, @debit, @credit, @amount, @at, @note, @spender)
ON CONFLICT (subject, step) DO NOTHING;

-- name: DropHold :execrows
DELETE FROM transfer WHERE subject = @subject AND step = 'hold';

-- name: OpenHold :one
SELECT h.subject FROM transfer AS h WHERE h.subject >= @from_subject AND h.subject < @before AND h.step = 'hold'
AND NOT EXISTS (SELECT 1 FROM transfer AS e WHERE e.subject = h.subject AND e.step = 'end') LIMIT 1;

-- Ends a hold with the amount that was held, in the wallet that it was held in, the first time only.
-- name: EndHold :one
INSERT INTO transfer (account_id, subject, step, debit, credit, amount, at, spender)
SELECT h.account_id, h.subject, 'end', 'held', CAST(@credit AS text), h.amount, CAST(@at AS bigint), h.spender FROM transfer AS h
WHERE h.subject = @subject AND h.step = 'hold'
ON CONFLICT (subject, step) DO NOTHING RETURNING account_id, amount;

-- name: PutPrice :exec
INSERT INTO price (account_id, currency, prefix, amount) VALUES (@account_id, @currency, @prefix, @amount)
ON CONFLICT (account_id, currency, prefix) DO UPDATE SET amount = excluded.amount;

-- name: DropPrice :execrows
DELETE FROM price WHERE account_id = @account_id AND currency = @currency AND prefix = @prefix;

-- name: Prices :many
SELECT account_id, currency, prefix, amount FROM price ORDER BY account_id, currency, prefix;

-- The oldest rows that may be folded end before this subject, if there are as many.
-- name: FoldBound :one
SELECT subject FROM transfer WHERE subject > 0 AND subject < @before AND step <> 'hold'
ORDER BY subject LIMIT 1 OFFSET CAST(@skip AS bigint);

-- name: FoldSums :many
SELECT account_id,
    CAST(sum(CASE WHEN debit = 'funds' THEN amount WHEN credit = 'funds' THEN -amount ELSE 0 END) AS bigint) AS funded,
    CAST(sum(CASE WHEN credit = 'charged' THEN amount ELSE 0 END) AS bigint) AS charged
FROM transfer WHERE subject > 0 AND subject < @before AND step <> 'hold' GROUP BY account_id ORDER BY account_id;

-- name: GrowOpening :exec
INSERT INTO transfer (account_id, subject, step, debit, credit, amount, at)
VALUES (@account_id, @subject, @step, @debit, @credit, @amount, @at)
ON CONFLICT (subject, step) DO UPDATE SET amount = transfer.amount + excluded.amount, at = excluded.at;

-- name: DropEndedHolds :execrows
DELETE FROM transfer WHERE transfer.subject > 0 AND transfer.subject < @before AND transfer.step = 'hold'
AND EXISTS (SELECT 1 FROM transfer AS e WHERE e.subject = transfer.subject AND e.step = 'end');

-- name: DropSettled :execrows
DELETE FROM transfer WHERE subject > 0 AND subject < @before AND step <> 'hold';

-- Wallets that are below their limit, or differ from the sum of what was moved, or from what was paid in.
-- name: WrongWallets :many
SELECT w.account_id FROM wallet AS w LEFT JOIN (
    SELECT t.account_id,
        sum(CASE WHEN t.credit = 'available' THEN t.amount WHEN t.debit = 'available' THEN -t.amount ELSE 0 END) AS available,
        sum(CASE WHEN t.credit = 'held' THEN t.amount WHEN t.debit = 'held' THEN -t.amount ELSE 0 END) AS held,
        sum(CASE WHEN t.credit = 'charged' THEN t.amount WHEN t.debit = 'charged' THEN -t.amount ELSE 0 END) AS charged,
        sum(CASE WHEN t.debit = 'funds' THEN t.amount WHEN t.credit = 'funds' THEN -t.amount ELSE 0 END) AS funded
    FROM transfer AS t GROUP BY t.account_id
) AS s ON s.account_id = w.account_id
WHERE w.available < -w.credit_limit OR w.held < 0 OR w.available + w.held + w.charged <> w.funded
    OR w.available <> COALESCE(s.available, 0) OR w.held <> COALESCE(s.held, 0)
    OR w.charged <> COALESCE(s.charged, 0) OR w.funded <> COALESCE(s.funded, 0)
ORDER BY w.account_id;

-- Wallets whose held money is not that of the holds without an end.
-- name: WrongHolds :many
SELECT w.account_id FROM wallet AS w WHERE w.held <> (
    SELECT COALESCE(sum(h.amount), 0) FROM transfer AS h WHERE h.account_id = w.account_id AND h.step = 'hold'
    AND NOT EXISTS (SELECT 1 FROM transfer AS e WHERE e.subject = h.subject AND e.step = 'end')
) ORDER BY w.account_id;

-- Transfers that no rule of the ledger makes: of no wallet, between the wrong books, of nothing, or ending no hold.
-- name: WrongTransfers :many
SELECT DISTINCT t.account_id FROM transfer AS t
LEFT JOIN wallet AS w ON w.account_id = t.account_id
LEFT JOIN transfer AS h ON t.step = 'end' AND h.subject = t.subject AND h.step = 'hold' AND h.account_id = t.account_id AND h.amount = t.amount
WHERE w.account_id IS NULL
    OR (t.amount <= 0 AND t.step NOT IN ('funded', 'charged'))
    OR (t.step = 'end' AND h.subject IS NULL)
    OR t.step || ' ' || t.debit || ' ' || t.credit NOT IN (
        'top-up funds available', 'top-up available funds', 'hold available held', 'end held charged', 'end held available',
        'funded funds available', 'charged available charged')
ORDER BY t.account_id;
