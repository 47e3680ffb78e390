-- +goose Up
-- Which messages have a recipient. In an index over all time each message that comes, and each that goes, costs SQLite a page at a random place.
-- This one is cut into pieces of six days by the time in the key, of which the newest stays in memory and the oldest goes in its own order. On
-- PostgreSQL, where the table itself is cut into pieces, it is a view, and the table's own index does the work.
CREATE TABLE index_piece (
    piece bigint NOT NULL PRIMARY KEY
);
CREATE TABLE index_recipient (
    piece      bigint NOT NULL,
    recipient  text   NOT NULL,
    account_id bigint NOT NULL,
    message_id bigint NOT NULL,
    PRIMARY KEY (piece, recipient, account_id, message_id)
) /* clustered */;

-- on SQLite: INSERT INTO index_piece SELECT DISTINCT id / 2251799813685248 FROM message;
-- on SQLite: INSERT INTO index_recipient SELECT id / 2251799813685248, recipient, account_id, id FROM message ORDER BY 1, 2, 3, 4;
-- on SQLite: DROP INDEX message_recipient;
-- on PostgreSQL: DROP TABLE index_piece;
-- on PostgreSQL: DROP TABLE index_recipient;
-- on PostgreSQL: CREATE VIEW index_piece AS SELECT 9223372036854775807 AS piece;
-- on PostgreSQL: CREATE VIEW index_recipient AS SELECT 9223372036854775807 AS piece, recipient, account_id, id AS message_id FROM message;

-- +goose StatementBegin
-- on SQLite: CREATE TRIGGER message_added AFTER INSERT ON message BEGIN
-- on SQLite:     INSERT INTO index_piece SELECT new.id / 2251799813685248
-- on SQLite:         WHERE NOT EXISTS (SELECT 1 FROM index_piece WHERE piece = new.id / 2251799813685248);
-- on SQLite:     INSERT INTO index_recipient VALUES (new.id / 2251799813685248, new.recipient, new.account_id, new.id);
-- on SQLite: END;
-- +goose StatementEnd
-- +goose StatementBegin
-- on SQLite: CREATE TRIGGER message_readdressed AFTER UPDATE OF recipient ON message BEGIN
-- on SQLite:     DELETE FROM index_recipient WHERE piece = old.id / 2251799813685248 AND recipient = old.recipient
-- on SQLite:         AND account_id = old.account_id AND message_id = old.id;
-- on SQLite:     INSERT INTO index_recipient VALUES (new.id / 2251799813685248, new.recipient, new.account_id, new.id);
-- on SQLite: END;
-- +goose StatementEnd
