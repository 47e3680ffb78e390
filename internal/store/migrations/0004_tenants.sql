-- +goose Up
-- parent_pays: what a subaccount sends is paid from its parent's wallet. closed_at: 0 while the account is open; a closed one stays
-- closed. plan: '' for the server's own limits.
ALTER TABLE account ADD COLUMN parent_pays smallint NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN closed_at bigint NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN plan text NOT NULL DEFAULT '';
CREATE INDEX account_parent ON account (parent_id, id);

-- How much the accounts of a plan may do.
CREATE TABLE plan (
    name                text   NOT NULL PRIMARY KEY,
    requests_per_minute bigint NOT NULL,
    burst               bigint NOT NULL,
    messages_per_minute bigint NOT NULL,
    queue               bigint NOT NULL,
    updated_at          bigint NOT NULL
);

-- senders, channels: what messages sent with the key may carry and take; '' for all of the account's. rate: requests a minute; 0 for
-- the plan's. successor: the key that took over; this one then lives for its grace only. warned: of how many days before its end
-- was told last; 0 for none.
ALTER TABLE api_key ADD COLUMN senders text NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN channels text NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN rate bigint NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN successor bigint NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN rotated_at bigint NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN warned bigint NOT NULL DEFAULT 0;
CREATE INDEX api_key_expiry ON api_key (expires_at);

-- What is left of a limit that the servers of a database share. full_at: when all of it will be there again, Unix microseconds.
CREATE TABLE allowance (
    name    text   NOT NULL PRIMARY KEY,
    full_at bigint NOT NULL
) /* clustered */;
CREATE INDEX allowance_full ON allowance (full_at);

-- The audit log is a chain: each row holds the hash of the one before. seq: its place; 0 for rows from before there was a chain.
-- was, became: what was changed, before and after.
ALTER TABLE audit ADD COLUMN seq bigint NOT NULL DEFAULT 0;
ALTER TABLE audit ADD COLUMN previous text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN was text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN became text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX audit_seq ON audit (seq) WHERE seq > 0;

-- The end of the chain: the hash of its newest row, and which row is its oldest. One row.
CREATE TABLE audit_head (
    chain  bigint NOT NULL PRIMARY KEY,
    seq    bigint NOT NULL,
    oldest bigint NOT NULL,
    hash   text   NOT NULL
);

-- What an account did over a channel on a day (UTC). day: counted from 1 January 1970. charged: in the account's currency.
CREATE TABLE usage (
    account_id bigint NOT NULL,
    day        bigint NOT NULL,
    channel_id bigint NOT NULL,
    kind       text   NOT NULL,
    accepted   bigint NOT NULL,
    parts      bigint NOT NULL,
    sent       bigint NOT NULL,
    delivered  bigint NOT NULL,
    failed     bigint NOT NULL,
    unknown    bigint NOT NULL,
    inbound    bigint NOT NULL,
    charged    bigint NOT NULL,
    PRIMARY KEY (account_id, day, channel_id)
) /* clustered */;
CREATE INDEX usage_day ON usage (day);
