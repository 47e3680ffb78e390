-- +goose Up
-- An account's own rules of what it sends. Account 0: the server's, of which only registered counts. countries: those it sends to; '' for
-- all. registered: those that need a registered sender. Both are ISO 3166 codes, separated by spaces. own_number: its own phone; '' for
-- none. repeat_seconds: in which a message is not repeated; -1: as each request asks. max_parts: of one message; 0: as many as the
-- network joins.
CREATE TABLE policy (
    account_id     bigint NOT NULL PRIMARY KEY,
    countries      text   NOT NULL,
    registered     text   NOT NULL,
    own_number     text   NOT NULL,
    repeat_seconds bigint NOT NULL,
    max_parts      bigint NOT NULL
) /* clustered */;

-- A sender that an account asks to use in a country. state: 1 requested, 2 approved, 3 refused. reason: why it was refused.
CREATE TABLE registration (
    id         bigint   NOT NULL PRIMARY KEY,
    account_id bigint   NOT NULL,
    country    text     NOT NULL,
    sender     text     NOT NULL,
    state      smallint NOT NULL,
    reason     text     NOT NULL,
    decided_at bigint   NOT NULL
);
CREATE UNIQUE INDEX registration_sender ON registration (account_id, country, sender);
CREATE INDEX registration_account ON registration (account_id, id);
CREATE INDEX registration_account_state ON registration (account_id, state, id);
CREATE INDEX registration_state ON registration (state, id);

-- A message that was accepted a moment ago. mark: a keyed hash of what it says and to whom. at: when it was accepted last; earlier: the
-- time before, which counts again if what came last is not accepted after all.
CREATE TABLE sent_lately (
    mark       text   NOT NULL PRIMARY KEY,
    at         bigint NOT NULL,
    earlier    bigint NOT NULL,
    expires_at bigint NOT NULL
) /* clustered */;
CREATE INDEX sent_lately_expiry ON sent_lately (expires_at);
