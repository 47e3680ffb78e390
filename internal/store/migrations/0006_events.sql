-- +goose Up
-- How many events a subject has had that is no message: a wallet, a channel, a key, a webhook.
CREATE TABLE subject (
    id  bigint NOT NULL PRIMARY KEY,
    seq bigint NOT NULL
);
-- on PostgreSQL: ALTER TABLE subject SET (fillfactor = 50);
