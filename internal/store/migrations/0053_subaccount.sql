-- +goose Up
-- denied: the rights that the account's parent keeps from it, one bit each in the order of account.AllRights.
ALTER TABLE account ADD COLUMN denied bigint NOT NULL DEFAULT 0;

-- Who is behind an account. One without a row has told nothing.
CREATE TABLE profile (
    account_id bigint NOT NULL PRIMARY KEY,
    email      text   NOT NULL,
    phone      text   NOT NULL,
    first_name text   NOT NULL,
    last_name  text   NOT NULL,
    notes      text   NOT NULL
);
