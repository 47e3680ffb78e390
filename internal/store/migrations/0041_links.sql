-- +goose Up
-- A code that leads on to a URL of a message's text. since: from when the retention of its message counts. clicks: how often it was
-- followed; first_at, last_at: when. Nobody keeps who followed it.
CREATE TABLE link (
    id         bigint NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    message_id bigint NOT NULL,
    code       text   NOT NULL,
    target     text   NOT NULL,
    since      bigint NOT NULL,
    clicks     bigint NOT NULL DEFAULT 0,
    first_at   bigint NOT NULL DEFAULT 0,
    last_at    bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX link_code ON link (code);
CREATE INDEX link_account ON link (account_id, id);
CREATE INDEX link_message ON link (message_id, id);
CREATE INDEX link_since ON link (since);
