-- +goose Up
-- A file of people that is read into a list. source: its address, sealed; '' once it is over. fields: what its columns are, separated by
-- line feeds. state: 0 running, 1 done, 2 failed. rows: how many were looked at, all of which are in created, changed or refused. listed:
-- how many are new in the list. problem: the code of what it failed for; '' for nothing.
CREATE TABLE intake (
    id         bigint   NOT NULL PRIMARY KEY,
    account_id bigint   NOT NULL,
    list_id    bigint   NOT NULL,
    source     text     NOT NULL,
    fields     text     NOT NULL,
    state      smallint NOT NULL DEFAULT 0,
    rows       bigint   NOT NULL DEFAULT 0,
    created    bigint   NOT NULL DEFAULT 0,
    changed    bigint   NOT NULL DEFAULT 0,
    refused    bigint   NOT NULL DEFAULT 0,
    listed     bigint   NOT NULL DEFAULT 0,
    problem    text     NOT NULL DEFAULT '',
    detail     text     NOT NULL DEFAULT '',
    ended_at   bigint   NOT NULL DEFAULT 0,
    expires_at bigint   NOT NULL
);
CREATE INDEX intake_account ON intake (account_id, id);
CREATE INDEX intake_running ON intake (account_id, list_id) WHERE state = 0;
CREATE INDEX intake_expiry ON intake (expires_at);

-- A row of a file that is no person: where it stands, and what is wrong with which field. Nothing of what it says.
CREATE TABLE intake_refused (
    intake_id bigint NOT NULL,
    line      bigint NOT NULL,
    field     text   NOT NULL,
    code      text   NOT NULL,
    PRIMARY KEY (intake_id, line)
) /* clustered */;
