-- +goose Up
-- The channels that carry an account's messages of a kind, in the order in which they are tried. account_id 0: of all accounts
-- that have none of their own.
CREATE TABLE default_channel (
    account_id bigint NOT NULL,
    kind       text   NOT NULL,
    rank       bigint NOT NULL,
    channel_id bigint NOT NULL,
    PRIMARY KEY (account_id, kind, rank)
) /* clustered */;
INSERT INTO default_channel (account_id, kind, rank, channel_id) SELECT account_id, kind, 1, channel_id FROM channel_default;
DROP TABLE channel_default;

-- The names of ours under which a network may tell of a part whose outcome is unknown.
CREATE TABLE doubt (
    channel_id bigint NOT NULL,
    reference  text   NOT NULL,
    message_id bigint NOT NULL,
    attempt    bigint NOT NULL,
    number     bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (channel_id, reference, message_id, attempt, number)
) /* clustered */;
CREATE INDEX doubt_expiry ON doubt (expires_at);

-- Receipts about nothing known are listed by channel.
CREATE INDEX early_receipt_channel ON early_receipt (channel_id, id);

-- Messages that may go out by another channel carry a mark; they are found when theirs is down.
CREATE INDEX job_marked ON job (lane, id) WHERE kind = 'send' AND data <> '';

-- What is answered to STOP, START and HELP: as JSON, for the accounts that chose something themselves.
CREATE TABLE auto_reply (
    account_id bigint NOT NULL PRIMARY KEY,
    replies    text   NOT NULL
) /* clustered */;
