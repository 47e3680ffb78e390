-- +goose Up
-- spend_limit: micro-units that a key may spend in a day of UTC; 0 is no limit. spent: what it spent on spent_day, which is counted from 1970.
ALTER TABLE api_key ADD COLUMN spend_limit bigint NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN spent bigint NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN spent_day bigint NOT NULL DEFAULT 0;
