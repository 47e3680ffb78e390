-- +goose Up
-- What an account wants done with messages that come in (about = 1) or with receipts (about = 2).
-- number: what the rule is to programs that know things by numbers, within the account.
-- address: the address of ours that the rule is for; empty: all. kind: sms or whatsapp; empty: both.
-- search: 0 anything, 1 starts with, 2 contains, 3 does not contain. term: in small letters.
-- webhook_id: the endpoint of a rule that posts; 0: it does not.
-- fired_at: when it last did something; failed_at and error: when it last could not, and why; 0 and empty: never.
CREATE TABLE rule (
    id         bigint   NOT NULL PRIMARY KEY,
    account_id bigint   NOT NULL,
    number     bigint   NOT NULL,
    name       text     NOT NULL,
    about      smallint NOT NULL,
    kind       text     NOT NULL,
    address    text     NOT NULL,
    search     smallint NOT NULL,
    term       text     NOT NULL,
    action     text     NOT NULL,
    target     text     NOT NULL,
    webhook    text     NOT NULL,
    webhook_id bigint   NOT NULL,
    enabled    smallint NOT NULL,
    updated_at bigint   NOT NULL,
    fired_at   bigint   NOT NULL DEFAULT 0,
    failed_at  bigint   NOT NULL DEFAULT 0,
    error      text     NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX rule_number ON rule (account_id, number);
CREATE INDEX rule_account ON rule (account_id, id);

-- Until when a rule answers a sender no more. sender: a hash of the address.
CREATE TABLE rule_pause (
    rule_id bigint NOT NULL,
    sender  bigint NOT NULL,
    until   bigint NOT NULL,
    PRIMARY KEY (rule_id, sender)
);
CREATE INDEX rule_pause_until ON rule_pause (until);

-- A message that came in, or a receipt, in the box from which its account fetches it. seq: the event's number; kind, status, reason
-- and code: what it told.
-- answers: of an inbound message, the one that it answers. test: there is no such message, whoever fetches it only tries the box.
CREATE TABLE boxed (
    id         bigint   NOT NULL PRIMARY KEY,
    account_id bigint   NOT NULL,
    about      smallint NOT NULL,
    message_id bigint   NOT NULL,
    seq        bigint   NOT NULL,
    kind       text     NOT NULL,
    status     smallint NOT NULL,
    reason     text     NOT NULL,
    code       text     NOT NULL,
    answers    bigint   NOT NULL,
    unread     smallint NOT NULL,
    test       smallint NOT NULL
);
CREATE UNIQUE INDEX boxed_message ON boxed (message_id, about, seq);
CREATE INDEX boxed_all ON boxed (account_id, about, id);
CREATE INDEX boxed_unread ON boxed (account_id, about, id) WHERE unread = 1;
CREATE INDEX boxed_answers ON boxed (answers, id) WHERE answers <> 0;

-- rule_id: the rule that alone feeds the endpoint; 0: the log of events does. style: how its dialect posts, where it has several ways.
ALTER TABLE webhook ADD COLUMN rule_id bigint NOT NULL DEFAULT 0;
ALTER TABLE webhook ADD COLUMN style text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX webhook_rule ON webhook (rule_id) WHERE rule_id <> 0;
