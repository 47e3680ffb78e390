-- +goose Up
-- A person whom an account knows. number: never given twice in the account. addresses, tags: of the contact's own rows in identity and
-- contact_tag, separated by line feeds. name, email, attributes: as the account wrote them. book_name: as a device's address book has
-- it. push_name: as they call themselves. business: the verified name. attributes: a JSON object; '' for none. source: how they came to
-- be known.
CREATE TABLE contact (
    id         bigint NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    number     bigint NOT NULL,
    addresses  text   NOT NULL,
    name       text   NOT NULL,
    book_name  text   NOT NULL,
    push_name  text   NOT NULL,
    business   text   NOT NULL,
    email      text   NOT NULL,
    tags       text   NOT NULL,
    attributes text   NOT NULL,
    source     text   NOT NULL,
    updated_at bigint NOT NULL
);
CREATE INDEX contact_account ON contact (account_id, id);
CREATE UNIQUE INDEX contact_number ON contact (account_id, number);

-- Whose an address is. Without the account in front it also finds all accounts that know somebody.
CREATE TABLE identity (
    address    text   NOT NULL,
    account_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    PRIMARY KEY (address, account_id)
) /* clustered */;

-- What a contact is found by: the beginnings of its names and their words, of its email and its phone's digits.
CREATE TABLE contact_term (
    account_id bigint NOT NULL,
    term       text   NOT NULL,
    contact_id bigint NOT NULL,
    PRIMARY KEY (account_id, term, contact_id)
) /* clustered */;

CREATE TABLE contact_tag (
    account_id bigint NOT NULL,
    tag        text   NOT NULL,
    contact_id bigint NOT NULL,
    PRIMARY KEY (account_id, tag, contact_id)
) /* clustered */;

-- A contact that turned out to be another one. remains: what that one has otherwise, as JSON; '' for nothing.
CREATE TABLE contact_merged (
    id         bigint NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    number     bigint NOT NULL,
    contact_id bigint NOT NULL,
    remains    text   NOT NULL,
    merged_at  bigint NOT NULL
);
CREATE INDEX contact_merged_into ON contact_merged (contact_id, id);
CREATE UNIQUE INDEX contact_merged_number ON contact_merged (account_id, number);

-- The last numbers given in an account.
CREATE TABLE contact_numbering (
    account_id bigint NOT NULL PRIMARY KEY,
    contacts   bigint NOT NULL,
    lists      bigint NOT NULL
) /* clustered */;

-- A list of contacts. folded: its name without the difference of capitals. members: how many it has.
CREATE TABLE contact_list (
    id         bigint NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    number     bigint NOT NULL,
    name       text   NOT NULL,
    folded     text   NOT NULL,
    members    bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL
);
CREATE INDEX contact_list_account ON contact_list (account_id, id);
CREATE UNIQUE INDEX contact_list_number ON contact_list (account_id, number);
CREATE UNIQUE INDEX contact_list_name ON contact_list (account_id, folded);

CREATE TABLE list_member (
    list_id    bigint NOT NULL,
    contact_id bigint NOT NULL,
    PRIMARY KEY (list_id, contact_id)
) /* clustered */;
CREATE INDEX list_member_contact ON list_member (contact_id, list_id);

-- An account's exchange with a contact over a channel. in_at, out_at: when there was last a message from and to them. at: the later one.
-- unread: messages from them since somebody read them.
CREATE TABLE conversation (
    id         bigint NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    channel_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    in_at      bigint NOT NULL,
    out_at     bigint NOT NULL,
    at         bigint NOT NULL,
    unread     bigint NOT NULL
);
CREATE UNIQUE INDEX conversation_contact ON conversation (contact_id, channel_id);
CREATE INDEX conversation_account ON conversation (account_id, at, id);
