-- +goose Up
-- Whom a message goes to or comes from; 0 where nobody keeps that. A contact that was merged is still named.
ALTER TABLE message ADD COLUMN contact_id bigint NOT NULL DEFAULT 0;
CREATE INDEX message_contact ON message (contact_id, channel_id, id) WHERE contact_id <> 0;
