-- name: AddAccount :execrows
INSERT INTO account (id, parent_id, name, region, currency, operator, active, username, password, updated_at, parent_pays, plan, number, sign_in)
VALUES (@id, @parent_id, @name, @region, @currency, @operator, 1, @username, @password, @updated_at, @parent_pays, @plan, @number, @sign_in)
ON CONFLICT DO NOTHING;

-- name: AccountByID :one
SELECT id, parent_id, name, region, currency, operator, active, username, parent_pays, closed_at, plan, number, sign_in FROM account WHERE id = @id;

-- What is closed stays closed.
-- name: SetActive :execrows
UPDATE account SET active = @active, sign_in = @sign_in, updated_at = @updated_at WHERE id = @id AND closed_at = 0;

-- name: ChangeAccount :execrows
UPDATE account SET name = @name, region = @region, parent_pays = @parent_pays, plan = @plan, updated_at = @updated_at WHERE id = @id AND closed_at = 0;

-- name: CloseAccount :execrows
UPDATE account SET active = 0, closed_at = @closed_at, updated_at = @closed_at WHERE id = @id AND closed_at = 0;

-- name: OpenSubaccount :one
SELECT id FROM account WHERE parent_id = @id AND closed_at = 0 LIMIT 1;

-- name: Accounts :many
SELECT id, parent_id, name, region, currency, operator, active, username, parent_pays, closed_at, plan, number, sign_in FROM account ORDER BY id;

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
