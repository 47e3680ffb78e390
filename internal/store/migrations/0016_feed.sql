-- +goose Up
-- The place of an event in the order in which all came to be on disk. 0: it was there before places were.
ALTER TABLE event ADD COLUMN place bigint NOT NULL DEFAULT 0;
CREATE INDEX event_account ON event (account_id, place) WHERE place > 0;

-- The last place given away.
CREATE TABLE feed (
    id    bigint NOT NULL PRIMARY KEY,
    place bigint NOT NULL
);
-- on PostgreSQL: ALTER TABLE feed SET (fillfactor = 10);

-- Secrets that a webhook's posts are signed with besides its own, each with the time when that ends.
ALTER TABLE webhook ADD COLUMN retired text NOT NULL DEFAULT '';

-- Deliveries that are not done, or were in vain.
CREATE INDEX delivery_status ON delivery (webhook_id, done, id) WHERE done <> 1;
CREATE INDEX delivery_response ON delivery (subject) WHERE response <> '';

-- A time of which a webhook is told again. place: how far that is: a delivery's key, or an event's place. state: 0 under way, 1 done, 2 stopped.
CREATE TABLE replay (
    id         bigint   NOT NULL PRIMARY KEY,
    webhook_id bigint   NOT NULL,
    account_id bigint   NOT NULL,
    since      bigint   NOT NULL,
    until      bigint   NOT NULL,
    kinds      text     NOT NULL,
    failed     smallint NOT NULL,
    place      bigint   NOT NULL,
    posted     bigint   NOT NULL DEFAULT 0,
    state      smallint NOT NULL DEFAULT 0,
    ended_at   bigint   NOT NULL DEFAULT 0
);
CREATE INDEX replay_webhook ON replay (webhook_id, id);

-- Who gets mail about an account, and about what.
CREATE TABLE notification (
    account_id bigint NOT NULL PRIMARY KEY,
    emails     text   NOT NULL,
    kinds      text   NOT NULL
);

-- When there was last mail about a thing.
CREATE TABLE mailed (
    account_id bigint NOT NULL,
    kind       text   NOT NULL,
    subject    bigint NOT NULL,
    at         bigint NOT NULL,
    PRIMARY KEY (account_id, kind, subject)
) /* clustered */;
CREATE INDEX mailed_at ON mailed (at);

-- An account's data, or those about one person, for its owner to take away. state: 0 under way, 1 ready, 2 failed.
CREATE TABLE export (
    id         bigint   NOT NULL PRIMARY KEY,
    account_id bigint   NOT NULL,
    address    text     NOT NULL,
    state      smallint NOT NULL DEFAULT 0,
    done       bigint   NOT NULL DEFAULT 0,
    size       bigint   NOT NULL DEFAULT 0,
    ended_at   bigint   NOT NULL DEFAULT 0,
    expires_at bigint   NOT NULL
);
CREATE INDEX export_account ON export (account_id, id);
CREATE INDEX export_expiry ON export (expires_at);

CREATE TABLE export_piece (
    export_id bigint NOT NULL,
    number    bigint NOT NULL,
    data      text   NOT NULL,
    PRIMARY KEY (export_id, number)
) /* clustered */;

-- A person whose data are erased. address: sealed, until it is done. state: 0 under way, 1 done.
CREATE TABLE erasure (
    id         bigint   NOT NULL PRIMARY KEY,
    account_id bigint   NOT NULL,
    address    text     NOT NULL,
    mark       text     NOT NULL,
    state      smallint NOT NULL DEFAULT 0,
    messages   bigint   NOT NULL DEFAULT 0,
    cancelled  bigint   NOT NULL DEFAULT 0,
    ended_at   bigint   NOT NULL DEFAULT 0
);
CREATE INDEX erasure_account ON erasure (account_id, id);
CREATE INDEX message_sender ON message (sender, account_id, id) WHERE direction = 2;
