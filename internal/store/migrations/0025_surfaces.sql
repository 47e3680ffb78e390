-- +goose Up
-- surface_requests_per_minute: of an account on each of the compatible surfaces; 0: any number.
ALTER TABLE plan ADD COLUMN surface_requests_per_minute bigint NOT NULL DEFAULT 60;

-- The last number that was given to a thing of each kind. None is given twice.
CREATE TABLE counter (
    name  text   NOT NULL PRIMARY KEY,
    value bigint NOT NULL
);

-- number: what the account is to programs that know their users by numbers.
ALTER TABLE account ADD COLUMN number bigint NOT NULL DEFAULT 0;
UPDATE account SET number = (SELECT count(*) FROM account AS earlier WHERE earlier.id <= account.id);
CREATE UNIQUE INDEX account_number ON account (number);
-- A new database stays empty: one that is moved brings its own.
INSERT INTO counter (name, value) SELECT 'member', a.n FROM (SELECT count(*) AS n FROM account) AS a WHERE a.n > 0;

-- A person who signs in to an account by mail address. name and created_from are what they were at first.
CREATE TABLE login (
    id           bigint NOT NULL PRIMARY KEY,
    account_id   bigint NOT NULL,
    number       bigint NOT NULL UNIQUE,
    email        text   NOT NULL UNIQUE,
    name         text   NOT NULL,
    created_from text   NOT NULL
);
CREATE INDEX login_account ON login (account_id, id);

-- channel_id: the channel whose messages the endpoint hears of, and of nothing else; 0: it hears of all.
ALTER TABLE webhook ADD COLUMN channel_id bigint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX webhook_channel ON webhook (channel_id) WHERE channel_id <> 0;
