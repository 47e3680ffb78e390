-- +goose Up
-- mode: empty while a channel works, else paused or draining. senders: any, or registered ones only.
ALTER TABLE channel ADD COLUMN mode text NOT NULL DEFAULT '';
ALTER TABLE channel ADD COLUMN senders text NOT NULL DEFAULT 'any';

-- How each node's session of each channel is, written when it changes. parts: the window. busy: parts under way, as of a while ago.
CREATE TABLE channel_state (
    channel_id bigint NOT NULL,
    node       bigint NOT NULL,
    name       text   NOT NULL,
    phase      text   NOT NULL,
    since      bigint NOT NULL,
    code       text   NOT NULL,
    reason     text   NOT NULL,
    parts      bigint NOT NULL,
    busy       bigint NOT NULL,
    PRIMARY KEY (channel_id, node)
) /* clustered */;

-- Channels of which it was told that they are down.
CREATE TABLE channel_outage (
    channel_id bigint NOT NULL PRIMARY KEY,
    since      bigint NOT NULL
);

-- Who was given leave to send as whom on a channel.
CREATE TABLE sender (
    id         bigint NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    channel_id bigint NOT NULL,
    address    text   NOT NULL,
    UNIQUE (channel_id, address, account_id)
);
CREATE INDEX sender_account ON sender (account_id, id);

-- low_at: of a balance below it there is an event; none below zero. low: 0 it is above, 1 it has just fallen, 2 it stays below.
ALTER TABLE wallet ADD COLUMN low_at bigint NOT NULL DEFAULT -1;
ALTER TABLE wallet ADD COLUMN low smallint NOT NULL DEFAULT 0;

-- spender: the account that draws on another's wallet; 0: its own.
ALTER TABLE transfer ADD COLUMN spender bigint NOT NULL DEFAULT 0;
DROP INDEX transfer_account;
CREATE INDEX transfer_account ON transfer (account_id, subject, step);

-- Who recorded a choice, and why.
ALTER TABLE consent_log ADD COLUMN actor text NOT NULL DEFAULT '';
ALTER TABLE consent_log ADD COLUMN note text NOT NULL DEFAULT '';
CREATE INDEX consent_log_address ON consent_log (account_id, address, id);
