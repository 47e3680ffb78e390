-- +goose Up
-- An account's waiting messages, whoever else has many: they are listed by id.
CREATE INDEX job_account ON job (account_id, id) WHERE kind = 'send';
