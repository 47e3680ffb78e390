-- +goose Up
-- What our side of ACME keeps: its account's key, certificates with their keys, answers to challenges that are under way. Each is
-- sealed, and the same for all servers, since any of them may be asked.
CREATE TABLE acme (
    name       text   NOT NULL PRIMARY KEY,
    sealed     text   NOT NULL,
    updated_at bigint NOT NULL
) /* clustered */;
