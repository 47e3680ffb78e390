-- +goose Up
-- workspace: a label that groups channels. official: 1 of the channel through which an account speaks where none is named.
ALTER TABLE channel ADD COLUMN workspace text NOT NULL DEFAULT '';
ALTER TABLE channel ADD COLUMN official smallint NOT NULL DEFAULT 0;

-- devices: how many an account may have with its subaccounts; 0: any number.
ALTER TABLE plan ADD COLUMN devices bigint NOT NULL DEFAULT 0;

-- Which device a channel is. remote: the network's name of it; empty: nothing of it is left here. linked_at: 0 while it is not linked.
-- unlinked_at, limited_at: 0 when it was not; limited_until: 0 when nobody knows.
CREATE TABLE device (
    channel_id      bigint NOT NULL PRIMARY KEY,
    remote          text   NOT NULL,
    phone           text   NOT NULL,
    lid             text   NOT NULL,
    push_name       text   NOT NULL,
    linked_at       bigint NOT NULL,
    unlinked_at     bigint NOT NULL,
    unlinked_code   text   NOT NULL,
    unlinked_reason text   NOT NULL,
    limited_at      bigint NOT NULL,
    limited_until   bigint NOT NULL,
    limited_code    text   NOT NULL,
    limited_reason  text   NOT NULL
);

-- How many messages a device has sent on a day, counted since 1970.
CREATE TABLE device_day (
    channel_id bigint NOT NULL PRIMARY KEY,
    day        bigint NOT NULL,
    sent       bigint NOT NULL
);
-- on PostgreSQL: ALTER TABLE device_day SET (fillfactor = 50);

-- The newest wish to link a channel. node: the start of the server that links it; 0: none yet. step: counts what changed.
-- code: what the phone is shown, sealed, valid until valid_until. state: asked, running, linked, failed.
CREATE TABLE pairing (
    channel_id  bigint   NOT NULL PRIMARY KEY,
    id          bigint   NOT NULL,
    phone       text     NOT NULL,
    state       text     NOT NULL,
    node        bigint   NOT NULL,
    step        bigint   NOT NULL,
    code        text     NOT NULL,
    valid_until bigint   NOT NULL,
    failure     text     NOT NULL,
    reason      text     NOT NULL,
    asked_at    bigint   NOT NULL,
    ended_at    bigint   NOT NULL
);

-- What one server asks the server that has a channel's session; it is there for seconds. answered: 1 once the answer is.
CREATE TABLE ask (
    id         bigint   NOT NULL PRIMARY KEY,
    channel_id bigint   NOT NULL,
    kind       text     NOT NULL,
    question   text     NOT NULL,
    expires_at bigint   NOT NULL,
    answered   smallint NOT NULL,
    answer     text     NOT NULL
);
CREATE INDEX ask_open ON ask (channel_id, id) WHERE answered = 0;
CREATE INDEX ask_expiry ON ask (expires_at);

-- Whether a number has an account of the network, as a channel's session was told. person: who it is, as JSON.
CREATE TABLE number_check (
    channel_id bigint   NOT NULL,
    phone      text     NOT NULL,
    there      smallint NOT NULL,
    person     text     NOT NULL,
    expires_at bigint   NOT NULL,
    PRIMARY KEY (channel_id, phone)
) /* clustered */;
CREATE INDEX number_check_expiry ON number_check (expires_at);
