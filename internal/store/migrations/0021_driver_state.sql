-- +goose Up
-- What a driver must know again at the next session of a channel, such as the keys of a linked device. value: sealed.
-- expires_at: when it may go; 0: it stays as long as the channel.
CREATE TABLE driver_state (
    channel_id bigint NOT NULL,
    name       text   NOT NULL,
    value      text   NOT NULL,
    expires_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (channel_id, name)
) /* clustered */;
CREATE INDEX driver_state_expiry ON driver_state (expires_at) WHERE expires_at > 0;
