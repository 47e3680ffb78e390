-- +goose Up
-- sign_in: another number whenever the account gets another password or user name, is suspended or may work again.
ALTER TABLE account ADD COLUMN sign_in bigint NOT NULL DEFAULT 0;
