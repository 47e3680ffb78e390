-- +goose Up
-- When a job that was tried may be tried again, while it keeps its place before those behind its order key. 0: its due time says.
ALTER TABLE job ADD COLUMN wait_until bigint NOT NULL DEFAULT 0;
