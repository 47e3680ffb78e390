-- +goose Up
-- told: those of the addresses that a network has told of together, so that nobody else made them one person's.
ALTER TABLE contact ADD COLUMN told text NOT NULL DEFAULT '';
