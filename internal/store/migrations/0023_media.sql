-- +goose Up
-- chat: the group that a message was written in. written_at: when its writer wrote it, as the network says; 0: it does not say.
ALTER TABLE message ADD COLUMN chat text NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN written_at bigint NOT NULL DEFAULT 0;

-- A file that messages of an account carry. kind: the type of content that its limits are those of; empty: any. state: 1 it is still to be
-- fetched, 2 kept, 3 it could not be fetched, 4 it was kept or to be fetched, and is gone for ever. origin: upload, url or message.
-- source: what it is fetched by, sealed. mark: of an address, to know it again. file: its random name among the files.
-- uses: how many messages have it. message_id: the message that it came in with. expires_at: 0: never.
CREATE TABLE media (
    id         bigint   NOT NULL PRIMARY KEY,
    account_id bigint   NOT NULL,
    kind       text     NOT NULL,
    state      smallint NOT NULL,
    origin     text     NOT NULL,
    source     text     NOT NULL DEFAULT '',
    mark       text     NOT NULL DEFAULT '',
    file       text     NOT NULL DEFAULT '',
    mime       text     NOT NULL DEFAULT '',
    name       text     NOT NULL DEFAULT '',
    size       bigint   NOT NULL DEFAULT 0,
    sha256     text     NOT NULL DEFAULT '',
    width      bigint   NOT NULL DEFAULT 0,
    height     bigint   NOT NULL DEFAULT 0,
    seconds    bigint   NOT NULL DEFAULT 0,
    reason     text     NOT NULL DEFAULT '',
    uses       bigint   NOT NULL DEFAULT 0,
    message_id bigint   NOT NULL DEFAULT 0,
    expires_at bigint   NOT NULL
);
CREATE INDEX media_account ON media (account_id, id);
CREATE INDEX media_mark ON media (mark, id) WHERE mark <> '';
CREATE INDEX media_file ON media (file) WHERE file <> '';
CREATE INDEX media_expiry ON media (expires_at) WHERE expires_at > 0;
