-- +goose Up
-- Portable between SQLite and PostgreSQL: keys, times (Unix milliseconds UTC) and money (micro-units) are bigint,
-- JSON is text, flags are smallint, nothing is null. A key is package id's: its upper bits are its time.
-- A table marked clustered is kept in the order of its key where the engine can, one marked partitioned in pieces of a month.

CREATE TABLE meta (
    name  text NOT NULL PRIMARY KEY,
    value text NOT NULL
) /* clustered */;

-- Bumped whenever settings that processes keep in memory change.
CREATE TABLE version (
    topic text   NOT NULL PRIMARY KEY,
    n     bigint NOT NULL
) /* clustered */;

-- The processes that serve the database together, where there may be several. number: of the keys it makes. place: its data
-- folder. wrote: counts its transactions. One that is dead changes nothing any more; its row goes once what it had claimed is given back.
CREATE TABLE node (
    boot       bigint   NOT NULL PRIMARY KEY,
    number     bigint   NOT NULL UNIQUE,
    name       text     NOT NULL,
    place      text     NOT NULL DEFAULT '',
    started_at bigint   NOT NULL,
    seen_at    bigint   NOT NULL,
    wrote      bigint   NOT NULL DEFAULT 0,
    dead       smallint NOT NULL DEFAULT 0
);
-- on PostgreSQL: ALTER TABLE node SET (fillfactor = 10);

-- What one process at a time does: work a lane, keep an exclusive session. node 0: nobody. epoch: counts the owners. grace:
-- how long it stays taken after its owner was last heard of; expires_at: until then nobody has it.
CREATE TABLE lease (
    name       text   NOT NULL PRIMARY KEY,
    node       bigint NOT NULL,
    epoch      bigint NOT NULL,
    grace      bigint NOT NULL,
    expires_at bigint NOT NULL DEFAULT 0
) /* clustered */;

-- The live sessions of channels that each node may open, on whichever node. parts: the window.
CREATE TABLE session (
    channel_id bigint NOT NULL,
    node       bigint NOT NULL,
    parts      bigint NOT NULL,
    PRIMARY KEY (channel_id, node)
) /* clustered */;

CREATE TABLE account (
    id         bigint   NOT NULL PRIMARY KEY,
    parent_id  bigint   NOT NULL DEFAULT 0,
    name       text     NOT NULL,
    region     text     NOT NULL DEFAULT '',
    currency   text     NOT NULL DEFAULT 'USD',
    operator   smallint NOT NULL DEFAULT 0,
    active     smallint NOT NULL DEFAULT 1,
    username   text     NOT NULL UNIQUE,
    password   text     NOT NULL DEFAULT '',
    updated_at bigint   NOT NULL
);

CREATE TABLE api_key (
    id         bigint   NOT NULL PRIMARY KEY,
    account_id bigint   NOT NULL,
    hash       text     NOT NULL UNIQUE,
    name       text     NOT NULL DEFAULT '',
    hint       text     NOT NULL,
    test       smallint NOT NULL DEFAULT 0,
    scopes     text     NOT NULL,
    addresses  text     NOT NULL DEFAULT '',
    origins    text     NOT NULL DEFAULT '',
    expires_at bigint   NOT NULL,
    revoked_at bigint   NOT NULL DEFAULT 0,
    used_at    bigint   NOT NULL DEFAULT 0
);
CREATE INDEX api_key_account ON api_key (account_id, id);

-- account_id 0: shared by the operator with all accounts.
CREATE TABLE channel (
    id         bigint   NOT NULL PRIMARY KEY,
    account_id bigint   NOT NULL,
    name       text     NOT NULL,
    driver     text     NOT NULL,
    kind       text     NOT NULL,
    settings   text     NOT NULL,
    sender     text     NOT NULL DEFAULT '',
    rate       bigint   NOT NULL DEFAULT 0,
    shards     bigint   NOT NULL DEFAULT 1,
    enabled    smallint NOT NULL DEFAULT 1,
    updated_at bigint   NOT NULL,
    UNIQUE (account_id, name)
);

CREATE TABLE channel_default (
    account_id bigint NOT NULL,
    kind       text   NOT NULL,
    channel_id bigint NOT NULL,
    PRIMARY KEY (account_id, kind)
) /* clustered */;

CREATE TABLE number (
    id         bigint NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    channel_id bigint NOT NULL,
    address    text   NOT NULL,
    keyword    text   NOT NULL DEFAULT '',
    UNIQUE (channel_id, address, keyword)
);
CREATE INDEX number_account ON number (account_id, id);

-- The lists of messages page by id, which is time, within one account and at most one more column.
CREATE TABLE message (
    id           bigint   NOT NULL PRIMARY KEY,
    account_id   bigint   NOT NULL,
    direction    smallint NOT NULL,
    kind         text     NOT NULL,
    channel_id   bigint   NOT NULL,
    recipient    text     NOT NULL,
    sender       text     NOT NULL,
    content      text     NOT NULL,
    status       smallint NOT NULL,
    seq          bigint   NOT NULL,
    attempt      bigint   NOT NULL,
    total        bigint   NOT NULL,
    encoding     text     NOT NULL,
    price        bigint   NOT NULL,
    currency     text     NOT NULL,
    priority     smallint NOT NULL,
    on_unknown   text     NOT NULL,
    reference    text     NOT NULL,
    metadata     text     NOT NULL,
    test         smallint NOT NULL,
    duplicate    smallint NOT NULL DEFAULT 0,
    reason       text     NOT NULL DEFAULT '',
    scheduled_at bigint   NOT NULL,
    valid_until  bigint   NOT NULL,
    updated_at   bigint   NOT NULL,
    answers      bigint   NOT NULL DEFAULT 0,
    joint        bigint   NOT NULL DEFAULT 0
) /* partitioned by id */;
CREATE INDEX message_account ON message (account_id, id);
-- Without the account in front it also finds whose message a recipient answers.
CREATE INDEX message_recipient ON message (recipient, account_id, id);
CREATE INDEX message_channel ON message (account_id, channel_id, id);
CREATE INDEX message_reference ON message (account_id, reference, id) WHERE reference <> '';
-- Messages that still wait have a job, and are found by it.
CREATE INDEX message_status ON message (account_id, status, id) WHERE status >= 10;

-- One row for each part of each attempt, written when its outcome is known or known to be unknown.
CREATE TABLE part (
    message_id bigint   NOT NULL,
    attempt    bigint   NOT NULL,
    number     bigint   NOT NULL,
    account_id bigint   NOT NULL,
    channel_id bigint   NOT NULL,
    remote_id  text     NOT NULL,
    status     smallint NOT NULL,
    code       text     NOT NULL DEFAULT '',
    sent_at    bigint   NOT NULL,
    done_at    bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (message_id, attempt, number)
) /* clustered */ /* partitioned by message_id */;
CREATE INDEX part_remote ON part (channel_id, remote_id) WHERE remote_id <> '';

-- The id a client gave a message, for 30 days.
CREATE TABLE reference (
    account_id bigint NOT NULL,
    reference  text   NOT NULL,
    message_id bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (account_id, reference)
) /* clustered */;
CREATE INDEX reference_expiry ON reference (expires_at);

-- What an accepted request became: ids and faults, never a rendered reply.
CREATE TABLE idempotency (
    account_id  bigint NOT NULL,
    scope       text   NOT NULL,
    key         text   NOT NULL,
    fingerprint text   NOT NULL,
    outcome     text   NOT NULL,
    expires_at  bigint NOT NULL,
    PRIMARY KEY (account_id, scope, key)
) /* clustered */;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- Work to do. Rows are small, written with what they are about, and deleted when done.
CREATE TABLE job (
    id         bigint   NOT NULL PRIMARY KEY,
    lane       text     NOT NULL,
    kind       text     NOT NULL,
    subject    bigint   NOT NULL,
    account_id bigint   NOT NULL,
    order_key  text     NOT NULL,
    priority   smallint NOT NULL,
    due_at     bigint   NOT NULL,
    expires_at bigint   NOT NULL DEFAULT 0,
    owner      bigint   NOT NULL DEFAULT 0,
    fence      bigint   NOT NULL DEFAULT 0,
    claims     bigint   NOT NULL DEFAULT 0,
    step       bigint   NOT NULL DEFAULT 0,
    data       text     NOT NULL DEFAULT ''
);
CREATE INDEX job_ready ON job (lane, priority, account_id, due_at, id);
CREATE INDEX job_expiry ON job (expires_at) WHERE expires_at > 0;
-- Jobs come and go: room on each page lets a claim stay beside its row, and the dead are taken away early.
-- on PostgreSQL: ALTER TABLE job SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);

-- A receipt that came before the result it is about, or about nothing of ours: tried again, kept 72 hours.
CREATE TABLE early_receipt (
    id         bigint NOT NULL PRIMARY KEY,
    channel_id bigint NOT NULL,
    remote_id  text   NOT NULL,
    receipt    text   NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX early_receipt_remote ON early_receipt (channel_id, remote_id);
CREATE INDEX early_receipt_expiry ON early_receipt (expires_at);

-- Parts of inbound texts until all are there, and marks of inbound ids already taken.
CREATE TABLE inbound_part (
    channel_id bigint NOT NULL,
    sender     text   NOT NULL,
    recipient  text   NOT NULL,
    reference  bigint NOT NULL,
    total      bigint NOT NULL,
    number     bigint NOT NULL,
    content    text   NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (channel_id, sender, recipient, reference, total, number)
) /* clustered */;
CREATE INDEX inbound_part_expiry ON inbound_part (expires_at);

CREATE TABLE inbound_seen (
    channel_id bigint NOT NULL,
    remote_id  text   NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (channel_id, remote_id)
) /* clustered */;
CREATE INDEX inbound_seen_expiry ON inbound_seen (expires_at);

-- One fact about one subject; number seq of its subject. Its body is rendered when it is posted.
CREATE TABLE event (
    subject    bigint NOT NULL,
    seq        bigint NOT NULL,
    account_id bigint NOT NULL,
    kind       text   NOT NULL,
    data       text   NOT NULL,
    at         bigint NOT NULL,
    PRIMARY KEY (subject, seq)
) /* clustered */ /* partitioned by subject */;

CREATE TABLE opt_out (
    account_id bigint NOT NULL,
    address    text   NOT NULL,
    at         bigint NOT NULL,
    seq        bigint NOT NULL,
    out        smallint NOT NULL,
    id         bigint NOT NULL,
    PRIMARY KEY (account_id, address)
) /* clustered */;
CREATE INDEX opt_out_account ON opt_out (account_id, id) WHERE out = 1;

CREATE TABLE consent_log (
    id         bigint NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    address    text   NOT NULL,
    out        smallint NOT NULL,
    source     text   NOT NULL,
    word       text   NOT NULL
);
CREATE INDEX consent_log_account ON consent_log (account_id, id);

CREATE TABLE wallet (
    account_id   bigint NOT NULL PRIMARY KEY,
    currency     text   NOT NULL,
    available    bigint NOT NULL DEFAULT 0,
    held         bigint NOT NULL DEFAULT 0,
    charged      bigint NOT NULL DEFAULT 0,
    funded       bigint NOT NULL DEFAULT 0,
    credit_limit bigint NOT NULL DEFAULT 0
);
-- on PostgreSQL: ALTER TABLE wallet SET (fillfactor = 10);

-- One immutable row moves one amount from one book of a wallet to another: funds, available, held, charged.
-- The key makes a repeat a no-op: a message is held once, and posted or voided once. Rows past retention are folded into
-- opening rows, whose subject is below zero.
CREATE TABLE transfer (
    account_id bigint NOT NULL,
    subject    bigint NOT NULL,
    step       text   NOT NULL,
    debit      text   NOT NULL,
    credit     text   NOT NULL,
    amount     bigint NOT NULL,
    at         bigint NOT NULL,
    note       text   NOT NULL DEFAULT '',
    PRIMARY KEY (subject, step)
) /* clustered */;
CREATE INDEX transfer_account ON transfer (account_id, at);

-- account_id 0: the price for all accounts of that currency.
CREATE TABLE price (
    account_id bigint NOT NULL,
    currency   text   NOT NULL,
    prefix     text   NOT NULL,
    amount     bigint NOT NULL,
    PRIMARY KEY (account_id, currency, prefix)
) /* clustered */;

CREATE TABLE webhook (
    id          bigint   NOT NULL PRIMARY KEY,
    account_id  bigint   NOT NULL,
    url         text     NOT NULL,
    events      text     NOT NULL,
    description text     NOT NULL DEFAULT '',
    dialect     text     NOT NULL DEFAULT 'native',
    secret      text     NOT NULL,
    ordered     smallint NOT NULL DEFAULT 1,
    active      smallint NOT NULL DEFAULT 1,
    reason      text     NOT NULL DEFAULT '',
    failing_at  bigint   NOT NULL DEFAULT 0,
    updated_at  bigint   NOT NULL
);
CREATE INDEX webhook_account ON webhook (account_id, id);

-- One event to one endpoint, once it has been tried or held back. Its key is its job's; one that nobody has touched yet is
-- the job alone. done: 0 open, 1 delivered, 2 failed for good. replay: the job that posts it once more.
CREATE TABLE delivery (
    id         bigint   NOT NULL PRIMARY KEY,
    webhook_id bigint   NOT NULL,
    account_id bigint   NOT NULL,
    subject    bigint   NOT NULL,
    seq        bigint   NOT NULL,
    kind       text     NOT NULL,
    tries      bigint   NOT NULL,
    done       smallint NOT NULL,
    status     bigint   NOT NULL,
    error      text     NOT NULL DEFAULT '',
    response   text     NOT NULL DEFAULT '',
    took       bigint   NOT NULL DEFAULT 0,
    at         bigint   NOT NULL,
    due_at     bigint   NOT NULL DEFAULT 0,
    replay     bigint   NOT NULL DEFAULT 0
);
CREATE INDEX delivery_webhook ON delivery (webhook_id, id);
CREATE INDEX delivery_open ON delivery (webhook_id, subject, seq) WHERE done = 0;

CREATE TABLE audit (
    id         bigint NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    actor      text   NOT NULL,
    action     text   NOT NULL,
    subject    text   NOT NULL,
    detail     text   NOT NULL DEFAULT '',
    address    text   NOT NULL DEFAULT ''
);
CREATE INDEX audit_account ON audit (account_id, id);
