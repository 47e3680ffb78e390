package api

import (
	"context"
	"encoding/json"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fleet"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/intake"
	"tidings.dev/internal/issue"
	"tidings.dev/internal/key"
	"tidings.dev/internal/link"
	"tidings.dev/internal/media"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/notify"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/privacy"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/telemetry"
	"tidings.dev/internal/template"
	"tidings.dev/internal/wallet"
	"tidings.dev/internal/webhook"
)

// Core is what surfaces call.
type Core struct {
	Store         *store.Store
	Gateway       Gateway
	Keys          *key.Keeper
	Members       *member.Keeper
	Wallet        *wallet.Keeper
	Routes        *route.Keeper
	Channels      *connection.Keeper
	Numbers       *number.Keeper
	Policies      *policy.Keeper
	Consent       *consent.Keeper
	Contacts      *contact.Keeper
	Conversations *conversation.Keeper
	Media         *media.Keeper
	Links         *link.Keeper
	Templates     *template.Keeper
	Issues        *issue.Keeper
	Fleet         *fleet.Fleet
	Webhooks      *webhook.Webhooks
	Events        *event.Log
	Automation    *automation.Automation
	Notifier      *notify.Notifier
	Privacy       *privacy.Privacy
	Intake        *intake.Keeper
	Health        *telemetry.Health
	// OriginKnown tells whether any key lists the origin of a web page. Nil: none does.
	OriginKnown func(ctx context.Context, origin string) (bool, error)
}

// Gateway is the core of messages: *gateway.Gateway, or what a benchmark of HTTP alone puts in its place.
type Gateway interface {
	Submit(ctx context.Context, c gateway.Caller, r gateway.Request) (gateway.Reply, error)
	Do(c gateway.Caller, r gateway.Once, change func(tx *store.Tx) (gateway.Outcome, error)) (gateway.Outcome, error)
	Cancel(ctx context.Context, c gateway.Caller, id message.ID) (message.Message, error)
	CancelScheduled(ctx context.Context, c gateway.Caller, kind message.Kind, fits func(*message.Message) bool) (int, error)
	Resolve(tx *store.Tx, c gateway.Caller, at message.ID, how gateway.Resolution) (message.Message, error)
	Unmatched(ctx context.Context, a account.Account, before id.Of[gateway.Unmatched], limit int) ([]gateway.Unmatched, error)
	Message(ctx context.Context, a account.ID, id message.ID) (message.Message, error)
	Journey(ctx context.Context, a account.ID, id message.ID) ([]gateway.Step, error)
	List(ctx context.Context, a account.ID, f gateway.Filter) (gateway.Page, error)
	Search(ctx context.Context, s gateway.Search) (page []message.Message, total int, err error)
	After(ctx context.Context, a account.ID, of message.Address, after, before message.ID, page int) ([]message.Message, error)
	EventData(ctx context.Context, e event.Event) (json.RawMessage, error)
	Choose(tx *store.Tx, choices []consent.Choice) ([]bool, error)
	DeleteContact(tx *store.Tx, by audit.Actor, a account.ID, which message.ContactID) error
	RemoveOptedOut(tx *store.Tx, a account.ID, which contact.ListID) (int, error)
	OptedOut(ctx context.Context, a account.ID, list []contact.Contact) (map[message.ContactID]bool, error)
	Said(ctx context.Context, c conversation.Conversation, before message.ID, page int) ([]message.Message, error)
	Preview(ctx context.Context, c gateway.Caller, drafts []message.Draft) ([]gateway.Preview, error)
	CreateChannel(tx *store.Tx, by audit.Actor, c connection.Channel) (connection.Channel, error)
	ChangeChannel(tx *store.Tx, by audit.Actor, id message.ChannelID, edit func(*connection.Channel) error) (connection.Channel, error)
	Links(c connection.Channel) bool
	Careful(ctx context.Context, c connection.Channel) (gateway.Careful, bool, error)
	DeleteChannel(tx *store.Tx, by audit.Actor, id message.ChannelID) error
	WaitingIn(ctx context.Context, id message.ChannelID) (map[message.Priority]int, error)
	ShownSettings(c connection.Channel) (json.RawMessage, error)
	MergeSettings(c connection.Channel, patch json.RawMessage) (channel.Settings, error)
	SetDefaults(tx *store.Tx, by audit.Actor, a account.ID, kind message.Kind, channels []message.ChannelID) error
	RemoteID(m message.Message) string
	Official(ctx context.Context, a account.ID, kind message.Kind) (connection.Channel, bool, error)
}
