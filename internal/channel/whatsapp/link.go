package whatsapp

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/channel"
)

// How long codes are good for, as the network has it: it closes the connection when the last has run out.
const (
	firstCode  = 60 * time.Second
	otherCodes = 20 * time.Second
	typedCode  = 160 * time.Second
	settleTime = 5 * time.Second // from the phone's consent to the network's wish to connect anew
)

// pairing is one try to link a device.
type pairing struct {
	client *client
	config *config
	phone  string // empty: a QR code is shown
	show   func(channel.Code)
	events chan any
	failed chan error
}

// pair links a device: it shows codes until the phone agrees to one. Until then nothing is written, and an earlier link stays.
func (d *driver) pair(ctx context.Context, env channel.Env, phone string, show func(channel.Code)) (channel.Identity, error) {
	c, err := parse(env.Settings)
	if err != nil {
		return channel.Identity{}, &channel.Failure{Verdict: channel.Reject, Code: "bad_settings", Err: err}
	}
	if env.State == nil {
		return channel.Identity{}, errNoState
	}
	who, err := d.link(ctx, c, env, phone, show)
	if renewed(err) {
		who, err = d.link(ctx, c, env, phone, show)
	}
	return who, err
}

// link makes one try.
func (d *driver) link(ctx context.Context, c *config, env channel.Env, phone string, show func(channel.Code)) (channel.Identity, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	p := &pairing{config: c, phone: phone, show: show, events: make(chan any, 16), failed: make(chan error, 1)}
	v := &vault{state: env.State, failed: p.fail}
	device := newDevice(v, logger{env.Log})
	p.client = d.client(c, env, device)
	p.client.AddEventHandler(func(e any) { p.heard(ctx, e) })
	wire, unplug := context.WithCancel(context.WithoutCancel(ctx))
	defer unplug()
	defer p.client.hangUp()
	if err := d.gate.pass(ctx); err != nil {
		return channel.Identity{}, err
	}
	if err := p.client.dial(ctx, wire, unplug); err != nil {
		return channel.Identity{}, err
	}
	success, err := p.run(ctx, d)
	if err != nil {
		return channel.Identity{}, err
	}
	person, err := v.person(ctx, success.ID.ToNonAD(), success.LID.ToNonAD())
	person.Business = success.BusinessName
	return channel.Identity{Remote: success.ID.String(), Person: person}, err
}

// heard takes what is of interest; the library waits for it.
func (p *pairing) heard(ctx context.Context, e any) {
	switch e.(type) {
	case *events.QR, *events.PairSuccess, *events.PairError, *events.ManualLoginReconnect, *events.Disconnected, *events.ClientOutdated,
		*events.ConnectFailure, *events.StreamError, *events.TemporaryBan, *events.PairPasskeyRequest:
		select {
		case p.events <- e:
		case <-ctx.Done():
		}
	}
}

func (p *pairing) fail(err error) {
	select {
	case p.failed <- err:
	default:
	}
}

// run shows one code after the other until the phone agrees, or none is left.
func (p *pairing) run(ctx context.Context, d *driver) (*events.PairSuccess, error) {
	var codes []string
	life := firstCode
	next := make(<-chan time.Time)
	var success *events.PairSuccess
	anew := false // the network has asked for a new connection; the library may tell so before it tells of success
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case err := <-p.failed:
			return nil, err
		case <-next:
			if success != nil { // the network did not ask for a new connection; it is made all the same
				return success, nil
			}
			if anew || len(codes) == 0 {
				return nil, errExpired
			}
			next = p.display(codes[0], life)
			codes, life = codes[1:], otherCodes
		case e := <-p.events:
			switch e := e.(type) {
			case *events.QR:
				if p.phone != "" {
					timer, err := p.typed(ctx)
					if err != nil {
						return nil, err
					}
					next = timer
					continue
				}
				if len(e.Codes) > 0 {
					next, codes, life = p.display(e.Codes[0], firstCode), e.Codes[1:], otherCodes
				}
			case *events.PairSuccess:
				if success, next = e, time.After(settleTime); anew {
					return success, nil
				}
			case *events.ManualLoginReconnect:
				if anew = true; success != nil {
					return success, nil
				}
				next = time.After(settleTime)
			case *events.Disconnected:
				if success != nil {
					return success, nil
				}
				return nil, errExpired
			default:
				return nil, d.refusedPairing(ctx, e)
			}
		}
	}
}

// errExpired says that nobody took one of the codes.
var errExpired = &channel.Failure{Verdict: channel.Reject, Code: "codes_expired", Err: errors.New("no phone has taken a code in time")}

func (p *pairing) display(code string, life time.Duration) <-chan time.Time {
	p.show(channel.Code{QR: code, Until: time.Now().Add(life)})
	return time.After(life)
}

// typed asks for a code that the owner of a number types into his phone.
func (p *pairing) typed(ctx context.Context) (<-chan time.Time, error) {
	code, err := p.client.PairPhone(ctx, p.phone, true, p.config.platform.client, p.config.platform.shown)
	if err != nil {
		verdict := &channel.Failure{Verdict: channel.Reject, Code: "code_refused", Err: err}
		if errors.Is(err, whatsmeow.ErrIQRateOverLimit) {
			verdict.Verdict, verdict.Code = channel.Retry, "throttled"
		}
		return nil, verdict
	}
	p.show(channel.Code{Typed: code, Until: time.Now().Add(typedCode)})
	return time.After(typedCode), nil
}

// refusedPairing says why the network did not go on.
func (d *driver) refusedPairing(ctx context.Context, e any) error {
	switch e := e.(type) {
	case *events.PairError:
		return &channel.Failure{Verdict: channel.Reject, Code: "pairing_failed", Err: e.Error}
	case *events.ClientOutdated:
		return d.outdated(ctx)
	case *events.PairPasskeyRequest:
		return &channel.Failure{Verdict: channel.Reject, Code: "passkey_wanted", Err: errors.New("the account's owner must allow it by a passkey on the phone, which only WhatsApp's own clients can ask for")}
	case *events.TemporaryBan:
		return &channel.Failure{Verdict: channel.Retry, Code: "temporary_ban", Pause: e.Expire, Err: errors.New(e.String())}
	case *events.ConnectFailure:
		return &channel.Failure{Verdict: channel.Reject, Code: "refused", Native: e.Reason.NumberString(), Err: errors.New(e.Reason.String())}
	case *events.StreamError:
		return &channel.Failure{Verdict: channel.Retry, Code: "stream_error", Native: e.Code}
	}
	return &channel.Failure{Verdict: channel.Retry, Code: "closed"}
}
