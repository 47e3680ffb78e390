-- name: AddAccount :execrows
INSERT INTO account (id, parent_id, name, region, currency, operator, active, username, password, updated_at, parent_pays, plan, number, sign_in, denied)
VALUES (@id, @parent_id, @name, @region, @currency, @operator, 1, @username, @password, @updated_at, @parent_pays, @plan, @number, @sign_in, @denied)
ON CONFLICT DO NOTHING;

-- name: AccountByID :one
SELECT id, parent_id, name, region, currency, operator, active, username, parent_pays, closed_at, plan, number, sign_in, denied FROM account WHERE id = @id;

-- What is closed stays closed.
-- name: SetActive :execrows
UPDATE account SET active = @active, sign_in = @sign_in, updated_at = @updated_at WHERE id = @id AND closed_at = 0;

-- name: ChangeAccount :execrows
UPDATE account SET name = @name, region = @region, parent_pays = @parent_pays, plan = @plan, denied = @denied, updated_at = @updated_at WHERE id = @id AND closed_at = 0;

-- name: CloseAccount :execrows
UPDATE account SET active = 0, closed_at = @closed_at, updated_at = @closed_at WHERE id = @id AND closed_at = 0;

-- name: OpenSubaccount :one
SELECT id FROM account WHERE parent_id = @id AND closed_at = 0 LIMIT 1;

-- name: Accounts :many
SELECT id, parent_id, name, region, currency, operator, active, username, parent_pays, closed_at, plan, number, sign_in, denied FROM account ORDER BY id;

-- name: Plans :many
SELECT name, requests_per_minute, burst, messages_per_minute, queue, devices, surface_requests_per_minute FROM plan ORDER BY name;

-- name: PlanNamed :one
SELECT name, requests_per_minute, burst, messages_per_minute, queue, devices, surface_requests_per_minute FROM plan WHERE name = @name;

-- name: AddPlan :execrows
INSERT INTO plan (name, requests_per_minute, burst, messages_per_minute, queue, devices, surface_requests_per_minute, updated_at)
VALUES (@name, @requests_per_minute, @burst, @messages_per_minute, @queue, @devices, @surface_requests_per_minute, @updated_at)
ON CONFLICT (name) DO NOTHING;

-- name: ChangePlan :execrows
UPDATE plan SET requests_per_minute = @requests_per_minute, burst = @burst, messages_per_minute = @messages_per_minute, queue = @queue, devices = @devices,
    surface_requests_per_minute = @surface_requests_per_minute, updated_at = @updated_at
WHERE name = @name;

-- A plan that an account has stays.
-- name: DropPlan :execrows
DELETE FROM plan WHERE plan.name = @name AND NOT EXISTS (SELECT 1 FROM account AS a WHERE a.plan = @name);

-- name: SetUsername :execrows
UPDATE account SET username = @username, sign_in = @sign_in, updated_at = @updated_at
WHERE account.id = @id AND NOT EXISTS (SELECT 1 FROM account AS other WHERE other.username = @username AND other.id <> @id);

-- name: SetPassword :exec
UPDATE account SET password = @password, sign_in = @sign_in, updated_at = @updated_at WHERE id = @id;

-- name: ProfileOf :one
SELECT * FROM profile WHERE account_id = @account_id;

-- name: SetProfile :exec
INSERT INTO profile (account_id, email, phone, first_name, last_name, notes) VALUES (@account_id, @email, @phone, @first_name, @last_name, @notes)
ON CONFLICT (account_id) DO UPDATE SET email = excluded.email, phone = excluded.phone, first_name = excluded.first_name, last_name = excluded.last_name, notes = excluded.notes;

-- name: DropProfile :exec
DELETE FROM profile WHERE account_id = @account_id;

-- Profiles of the account and its subaccounts.
-- name: ProfilesWithPhone :many
SELECT p.account_id FROM account AS a JOIN profile AS p ON p.account_id = a.id WHERE (a.parent_id = @account_id OR a.id = @account_id) AND p.phone = @phone;

-- name: Subaccounts :many
SELECT a.id, coalesce(p.email, '') AS email, coalesce(p.phone, '') AS phone, coalesce(p.first_name, '') AS first_name,
    coalesce(p.last_name, '') AS last_name, coalesce(p.notes, '') AS notes
FROM account AS a LEFT JOIN profile AS p ON p.account_id = a.id
WHERE a.parent_id = @parent_id AND a.closed_at = 0 ORDER BY a.id;

-- name: PasswordOf :one
SELECT password FROM account WHERE id = @id;

-- name: SetSignIn :execrows
UPDATE account SET username = @username, password = @password, sign_in = @sign_in, updated_at = @updated_at
WHERE account.id = @id AND NOT EXISTS (SELECT 1 FROM account AS other WHERE other.username = @username AND other.id <> @id);

-- name: AddLogin :exec
INSERT INTO login (id, account_id, number, email, name, created_from) VALUES (@id, @account_id, @number, @email, @name, @created_from);

-- name: LoginByEmail :one
SELECT * FROM login WHERE email = @email;

-- name: FirstLogin :one
SELECT * FROM login WHERE account_id = @account_id ORDER BY id LIMIT 1;
