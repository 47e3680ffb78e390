-- A database as the program with schema 2 left it: an account with keys, prices and a webhook, a message that was delivered, and three
-- that wait. Made by that program, and written down by sqlite3's .dump.
BEGIN TRANSACTION;
CREATE TABLE account (
    id         integer NOT NULL PRIMARY KEY,
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
INSERT INTO "account" VALUES(911984136095288333,0,'Operator','','USD',1,1,'operator','',1795270761891);
INSERT INTO "account" VALUES(911984139672996544,0,'Acme','KE','KES',0,1,'acme','',1795270762743);
CREATE TABLE api_key (
    id         integer NOT NULL PRIMARY KEY,
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
INSERT INTO "api_key" VALUES(911984136141426005,911984136095288333,'eb91fcd01378eee6e076c2c1317e86381a82e8855f6949e3506490f661ec7e78','first key','td_live_RcbapX6m',0,'operator','','',1826806761902,0,0);
INSERT INTO "api_key" VALUES(911984140448945871,911984139672996544,'c465c759bd9a1f3eafbe3f564a78581f6f595079ed518ee04a91e2f21741790a','upgrade','td_test_Sg6Y6P7t',1,'admin','','',1826806762927,0,1795270765111);
INSERT INTO "api_key" VALUES(911984140662853558,911984139672996544,'6c019f42a6ff6cad0bf70c9f809ada514ed9bd68ae5e88772a1bd3fd3505d163','live','td_live_7rI28gec',0,'admin','','',1826806762979,0,1795270765245);
CREATE TABLE audit (
    id         integer NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    actor      text   NOT NULL,
    action     text   NOT NULL,
    subject    text   NOT NULL,
    detail     text   NOT NULL DEFAULT '',
    address    text   NOT NULL DEFAULT ''
);
INSERT INTO "audit" VALUES(911984136095288334,911984136095288333,'system','account.create','01a1fe79-dda3-7013-80d2-2836c5a93163','operator','');
INSERT INTO "audit" VALUES(911984136095288336,0,'system','channel.create','01a1fe79-dda3-7013-80ff-25963e116161','test','');
INSERT INTO "audit" VALUES(911984136141426006,911984136095288333,'cli','key.create','01a1fe79-ddae-7013-9559-db3c991ddbb0','td_live_RcbapX6m operator','');
INSERT INTO "audit" VALUES(911984139672996545,911984139672996544,'cli','account.create','01a1fe79-e0f7-7ff2-ac05-946c323ee56f','acme','');
INSERT INTO "audit" VALUES(911984139672996547,911984139672996544,'cli','wallet.topup','01a1fe79-e0f7-7ff2-ac05-946c323ee56f','1000000000 first credit','');
INSERT INTO "audit" VALUES(911984139807211996,0,'cli','price.set','KES ','800000','');
INSERT INTO "audit" VALUES(911984140448945872,911984139672996544,'cli','key.create','01a1fe79-e1b0-7ff5-acfb-e807008d5912','td_test_Sg6Y6P7t admin','');
INSERT INTO "audit" VALUES(911984140662853559,911984139672996544,'cli','key.create','01a1fe79-e1e3-7ff3-bb6a-f3ead256a5b1','td_live_7rI28gec admin','');
INSERT INTO "audit" VALUES(911984140788678919,0,'cli','channel.create','01a1fe79-e201-7ff0-9062-afb14e187ebd','carrier','');
INSERT INTO "audit" VALUES(911984140788678920,0,'cli','route.default','01a1fe79-e201-7ff0-9062-afb14e187ebd','sms','');
INSERT INTO "audit" VALUES(911984150162986477,911984139672996544,'key:01a1fe79-e1e3-7ff3-bb6a-f3ead256a5b1','webhook.create','01a1fe79-eabd-7015-9ec1-aabddecad231','https://8.8.8.8/hook','127.0.0.1');
CREATE TABLE channel (
    id         integer NOT NULL PRIMARY KEY,
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
INSERT INTO "channel" VALUES(911984136095288335,0,'test','trial','sms','AZa457U3aKfbpBUldZBayBwf1DYfipsKIbGw3WWD2IEFBlk=','name:TEST',0,1,1,1795270761891);
INSERT INTO "channel" VALUES(911984140788678918,0,'carrier','smpp','sms','AZa457X6GnOuk58aqlk4Sseur6KvowxTaArpY72ShCdeHAqDGK3Le+s9ZyQ+eeNwiCrmdHK5RzQ/YX55oJc47xPbS00gUBXKEZ7MClRDXw5ojB/yrxMm4bJ1VCvP1nb5Glo=','name:Acme',0,1,1,1795270763009);
CREATE TABLE channel_default (
    account_id bigint NOT NULL,
    kind       text   NOT NULL,
    channel_id bigint NOT NULL,
    PRIMARY KEY (account_id, kind)
) WITHOUT ROWID;
INSERT INTO "channel_default" VALUES(0,'sms',911984140788678918);
CREATE TABLE consent_log (
    id         integer NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    address    text   NOT NULL,
    out        smallint NOT NULL,
    source     text   NOT NULL,
    word       text   NOT NULL
);
CREATE TABLE delivery (
    id         integer NOT NULL PRIMARY KEY,
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
CREATE TABLE early_receipt (
    id         integer NOT NULL PRIMARY KEY,
    channel_id bigint NOT NULL,
    remote_id  text   NOT NULL,
    receipt    text   NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE event (
    subject    bigint NOT NULL,
    seq        bigint NOT NULL,
    account_id bigint NOT NULL,
    kind       text   NOT NULL,
    data       text   NOT NULL,
    at         bigint NOT NULL,
    PRIMARY KEY (subject, seq)
) WITHOUT ROWID /* partitioned by subject */;
INSERT INTO "event" VALUES(911984149454144148,1,911984139672996544,'message.sent','{"status":"sent","attempt":1}',1795270765079);
INSERT INTO "event" VALUES(911984149454144148,2,911984139672996544,'message.delivered','{"status":"delivered","attempt":1}',1795270765179);
CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "goose_db_version" VALUES(1,0,1,'2026-11-21 14:19:21');
INSERT INTO "goose_db_version" VALUES(2,1,1,'2026-11-21 14:19:21');
INSERT INTO "goose_db_version" VALUES(3,2,1,'2026-11-21 14:19:21');
CREATE TABLE idempotency (
    account_id  bigint NOT NULL,
    scope       text   NOT NULL,
    key         text   NOT NULL,
    fingerprint text   NOT NULL,
    outcome     text   NOT NULL,
    expires_at  bigint NOT NULL,
    PRIMARY KEY (account_id, scope, key)
) WITHOUT ROWID;
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
) WITHOUT ROWID;
CREATE TABLE inbound_seen (
    channel_id bigint NOT NULL,
    remote_id  text   NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (channel_id, remote_id)
) WITHOUT ROWID;
CREATE TABLE job (
    id         integer NOT NULL PRIMARY KEY,
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
INSERT INTO "job" VALUES(1,'house','retain',0,0,'',3,1795271361987,0,0,1,0,0,'{"bodies":""}');
INSERT INTO "job" VALUES(911984149542230069,'send:911984136095288335:0','send',911984149542230069,911984139672996544,'+254701234568',2,1795529965000,1795702765000,0,0,0,65537,'');
INSERT INTO "job" VALUES(911984149600946677,'send:911984136095288335:0','send',911984149600946677,911984139672996544,'+254701234569',2,1795529965000,1795702765000,0,0,0,65537,'');
INSERT INTO "job" VALUES(911984149865186496,'send:911984140788678918:0','send',911984149865186496,911984139672996544,'+254701234570',2,1795270765174,1795443565173,0,0,0,65537,'');
CREATE TABLE lease (
    name       text   NOT NULL PRIMARY KEY,
    node       bigint NOT NULL,
    epoch      bigint NOT NULL,
    grace      bigint NOT NULL,
    expires_at bigint NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE message (
    id           integer NOT NULL PRIMARY KEY,
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
);
INSERT INTO "message" VALUES(911984149454144148,911984139672996544,1,'sms',911984136095288335,'+254701234567','name:TEST','{"v":1,"type":"text","text":"Delivered before the upgrade"}',13,2,1,1,'gsm7',0,'KES',2,'resend','','',1,0,'',0,1795443565076,1795270765179,0,0);
INSERT INTO "message" VALUES(911984149542230069,911984139672996544,1,'sms',911984136095288335,'+254701234568','name:TEST','{"v":1,"type":"text","text":"Waiting for the upgrade"}',1,0,1,1,'gsm7',0,'KES',2,'resend','waiting-1','',1,0,'',1795529965000,1795702765000,1795270765097,0,0);
INSERT INTO "message" VALUES(911984149600946677,911984139672996544,1,'sms',911984136095288335,'+254701234569','name:TEST','{"v":1,"type":"text","text":"Waiting for the upgrade, a text that is too long for one part of one hundred and sixty characters, so that it is sent in two parts, of which each is handed over alone to the network"}',1,0,1,2,'gsm7',0,'KES',2,'resend','','',1,0,'',1795529965000,1795702765000,1795270765111,0,5291);
INSERT INTO "message" VALUES(911984149865186496,911984139672996544,1,'sms',911984140788678918,'+254701234570','name:Acme','{"v":1,"type":"text","text":"Waiting for the carrier"}',3,0,1,1,'gsm7',800000,'KES',2,'resend','','',0,0,'',0,1795443565173,1795270765174,0,0);
CREATE TABLE meta (
    name  text NOT NULL PRIMARY KEY,
    value text NOT NULL
) WITHOUT ROWID;
INSERT INTO "meta" VALUES('boot','1');
INSERT INTO "meta" VALUES('clean','1');
INSERT INTO "meta" VALUES('seal','AZa457VO2V7hWZIkQA4Tm44J6TYVeFAr/53rbAjEbwyXmFewZqMIyA==');
CREATE TABLE node (
    boot       integer NOT NULL PRIMARY KEY,
    number     bigint   NOT NULL UNIQUE,
    name       text     NOT NULL,
    place      text     NOT NULL DEFAULT '',
    started_at bigint   NOT NULL,
    seen_at    bigint   NOT NULL,
    wrote      bigint   NOT NULL DEFAULT 0,
    dead       smallint NOT NULL DEFAULT 0
);
CREATE TABLE number (
    id         integer NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    channel_id bigint NOT NULL,
    address    text   NOT NULL,
    keyword    text   NOT NULL DEFAULT '',
    UNIQUE (channel_id, address, keyword)
);
CREATE TABLE opt_out (
    account_id bigint NOT NULL,
    address    text   NOT NULL,
    at         bigint NOT NULL,
    seq        bigint NOT NULL,
    out        smallint NOT NULL,
    id         bigint NOT NULL,
    PRIMARY KEY (account_id, address)
) WITHOUT ROWID;
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
) WITHOUT ROWID /* partitioned by message_id */;
INSERT INTO "part" VALUES(911984149454144148,1,1,911984139672996544,911984136095288335,'trial-01a1fe79-ea14-7010-a949-13ea1d7d8bb5-1-1',13,'000',1795270765078,1795270765179);
CREATE TABLE price (
    account_id bigint NOT NULL,
    currency   text   NOT NULL,
    prefix     text   NOT NULL,
    amount     bigint NOT NULL,
    PRIMARY KEY (account_id, currency, prefix)
) WITHOUT ROWID;
INSERT INTO "price" VALUES(0,'KES','',800000);
CREATE TABLE reference (
    account_id bigint NOT NULL,
    reference  text   NOT NULL,
    message_id bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (account_id, reference)
) WITHOUT ROWID;
INSERT INTO "reference" VALUES(911984139672996544,'waiting-1',911984149542230069,1797862765097);
CREATE TABLE session (
    channel_id bigint NOT NULL,
    node       bigint NOT NULL,
    parts      bigint NOT NULL,
    PRIMARY KEY (channel_id, node)
) WITHOUT ROWID;
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
) WITHOUT ROWID;
INSERT INTO "transfer" VALUES(911984139672996544,911984139672996546,'top-up','funds','available',1000000000,1795270762743,'first credit');
INSERT INTO "transfer" VALUES(911984139672996544,911984149865186496,'hold','available','held',800000,1795270765174,'');
CREATE TABLE version (
    topic text   NOT NULL PRIMARY KEY,
    n     bigint NOT NULL
) WITHOUT ROWID;
INSERT INTO "version" VALUES('channel',2);
INSERT INTO "version" VALUES('key',3);
INSERT INTO "version" VALUES('member',2);
INSERT INTO "version" VALUES('route',1);
INSERT INTO "version" VALUES('wallet',3);
INSERT INTO "version" VALUES('webhook',1);
CREATE TABLE wallet (
    account_id   integer NOT NULL PRIMARY KEY,
    currency     text   NOT NULL,
    available    bigint NOT NULL DEFAULT 0,
    held         bigint NOT NULL DEFAULT 0,
    charged      bigint NOT NULL DEFAULT 0,
    funded       bigint NOT NULL DEFAULT 0,
    credit_limit bigint NOT NULL DEFAULT 0
);
INSERT INTO "wallet" VALUES(911984136095288333,'USD',0,0,0,0,0);
INSERT INTO "wallet" VALUES(911984139672996544,'KES',999200000,800000,0,1000000000,0);
CREATE TABLE webhook (
    id          integer NOT NULL PRIMARY KEY,
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
INSERT INTO "webhook" VALUES(911984150162986476,911984139672996544,'https://8.8.8.8/hook','message.failed','','native','AZa457WraIiNqFmDF3QWVC/YS5rULY5R/Re6x6qOi9ZAHl/Cj1ewxTGMvNVpwsCLYV+MHyWqXUJh9JUZgNZd+oec6lG28DxBcMaJgng2GLR0P98=',1,1,'',0,1795270765245);
CREATE INDEX api_key_account ON api_key (account_id, id);
CREATE INDEX number_account ON number (account_id, id);
CREATE INDEX message_account ON message (account_id, id);
CREATE INDEX message_recipient ON message (recipient, account_id, id);
CREATE INDEX message_channel ON message (account_id, channel_id, id);
CREATE INDEX message_reference ON message (account_id, reference, id) WHERE reference <> '';
CREATE INDEX message_status ON message (account_id, status, id) WHERE status >= 10;
CREATE INDEX part_remote ON part (channel_id, remote_id) WHERE remote_id <> '';
CREATE INDEX reference_expiry ON reference (expires_at);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
CREATE INDEX job_ready ON job (lane, priority, account_id, due_at, id);
CREATE INDEX job_expiry ON job (expires_at) WHERE expires_at > 0;
CREATE INDEX early_receipt_remote ON early_receipt (channel_id, remote_id);
CREATE INDEX early_receipt_expiry ON early_receipt (expires_at);
CREATE INDEX inbound_part_expiry ON inbound_part (expires_at);
CREATE INDEX inbound_seen_expiry ON inbound_seen (expires_at);
CREATE INDEX opt_out_account ON opt_out (account_id, id) WHERE out = 1;
CREATE INDEX consent_log_account ON consent_log (account_id, id);
CREATE INDEX transfer_account ON transfer (account_id, at);
CREATE INDEX webhook_account ON webhook (account_id, id);
CREATE INDEX delivery_webhook ON delivery (webhook_id, id);
CREATE INDEX delivery_open ON delivery (webhook_id, subject, seq) WHERE done = 0;
CREATE INDEX audit_account ON audit (account_id, id);
CREATE INDEX job_account ON job (account_id, id) WHERE kind = 'send';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('goose_db_version',3);
COMMIT;
