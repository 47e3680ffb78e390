-- +goose Up
-- A text that an account keeps to send it again. number: never given twice in the account. folded: its name without the difference of
-- capitals.
CREATE TABLE template (
    id         bigint NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    number     bigint NOT NULL,
    name       text   NOT NULL,
    folded     text   NOT NULL,
    body       text   NOT NULL,
    updated_at bigint NOT NULL
);
CREATE INDEX template_account ON template (account_id, id);
CREATE UNIQUE INDEX template_number ON template (account_id, number);
CREATE UNIQUE INDEX template_name ON template (account_id, folded);

-- What an account told the operator about a message that did not arrive. message_id: 0 for none. comments: the account's; support: the
-- operator's. resolved_at: 0 while it is open.
CREATE TABLE issue (
    id          bigint NOT NULL PRIMARY KEY,
    account_id  bigint NOT NULL,
    number      bigint NOT NULL,
    message_id  bigint NOT NULL,
    kind        text   NOT NULL,
    description text   NOT NULL,
    comments    text   NOT NULL,
    email       text   NOT NULL,
    support     text   NOT NULL,
    resolved_at bigint NOT NULL,
    updated_at  bigint NOT NULL
);
CREATE INDEX issue_account ON issue (account_id, id);
CREATE UNIQUE INDEX issue_number ON issue (account_id, number);
CREATE INDEX issue_message ON issue (message_id) WHERE message_id <> 0;
CREATE INDEX issue_open ON issue (id) WHERE resolved_at = 0;
