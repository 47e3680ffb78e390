package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/simulator/whatsapp"
	"tidings.dev/test/product"
)

// Inbound is a run in which people write to a linked device while the server is killed again and again and one write in a
// hundred fails. Every message must be stored once, in the order of its chat, and told.
type Inbound struct {
	Messages int
	Chats    int
	Kills    int
	Rate     int // messages a second from the network
	Seed     uint64
	Dir      string
	Binary   string
	Engine   string
	Out      io.Writer
}

const (
	ownNumber    = "254700000001"          // of the phone that links the device
	simulatedTag = "simulated_networks"    // a build that can be told where WhatsApp is
	failingTag   = "failing_writes"        // a build of which one write in a hundred fails
	inboundDrain = 4 * time.Minute         // for the last messages to arrive and be told
	chatTag      = "chat %d message %d of" // what each message begins with
)

func inboundMain(args []string) (err error) {
	r := &Inbound{Out: os.Stdout}
	flags := flag.NewFlagSet("inbound", flag.ContinueOnError)
	flags.IntVar(&r.Messages, "messages", 10_000, "how many are written")
	flags.IntVar(&r.Chats, "chats", 50, "by how many people")
	flags.IntVar(&r.Kills, "kills", 22, "how often the server is killed meanwhile")
	flags.IntVar(&r.Rate, "rate", 120, "messages a second")
	flags.StringVar(&r.Binary, "binary", "", "the product, built with the tags "+simulatedTag+" and "+failingTag+"; default: built from this checkout")
	flags.Uint64Var(&r.Seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "of the pauses between kills")
	flags.StringVar(&r.Dir, "dir", "", "where to keep the histories; default: a new temporary folder, removed after success")
	flags.StringVar(&r.Engine, "engine", sqlite, "sqlite or postgres")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := interruptible()
	defer cancel()
	made := r.Dir == ""
	if made {
		r.Dir, err = os.MkdirTemp("", "chaos-inbound-")
	} else {
		err = os.MkdirAll(r.Dir, 0o700)
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(r.Dir, 0o711); err != nil { // whoever runs PostgreSQL must get through it
		return err
	}
	if r.Binary == "" {
		r.Binary = filepath.Join(r.Dir, "tidings")
		if err := product.Build(ctx, "./cmd/tidings", r.Binary, simulatedTag, failingTag); err != nil {
			return err
		}
	}
	if err := r.execute(ctx); err != nil {
		return fmt.Errorf("%w (histories in %s)", err, r.Dir)
	}
	if made {
		return os.RemoveAll(r.Dir)
	}
	return nil
}

// whatsappMain is the network, with its controls.
func whatsappMain(args []string) error {
	flags := flag.NewFlagSet("whatsapp", flag.ContinueOnError)
	keep := flags.Int("keep", 0, "records of its history")
	if err := flags.Parse(args); err != nil {
		return err
	}
	network := whatsapp.New(whatsapp.Config{Keep: *keep})
	if err := network.Start(); err != nil {
		return err
	}
	control, err := listen(network.Control())
	if err != nil {
		return err
	}
	fmt.Printf("%s,%x %s\n", network.Addr(), network.RootKey(), control)
	untilInputEnds()
	return network.Close()
}

// execute does the run and checks it.
func (r *Inbound) execute(ctx context.Context) (err error) {
	network, err := startPeer("whatsapp")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, network.stop()) }()
	where, control, _ := strings.Cut(network.Address, " ")
	customer, err := startPeer("customer", "-history", filepath.Join(r.Dir, customerFile))
	if err != nil {
		return err
	}
	told := false
	defer func() {
		if !told {
			err = errors.Join(err, customer.stop())
		}
	}()
	base, err := newBase(ctx, r.Engine, r.Dir, filepath.Join(r.Dir, "data", databaseFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.close()) }()
	log, err := os.Create(filepath.Join(r.Dir, logOf(0)))
	if err != nil {
		return err
	}
	defer log.Close()
	install, err := product.New(r.Binary, filepath.Join(r.Dir, "data"), log)
	if err != nil {
		return err
	}
	install.Hooks, install.Setting = []string{customer.Address}, append(base.setting(), "SIMULATED_WHATSAPP="+where)
	w := &writers{run: r, phones: product.NewClient("http://"+control, ""), install: install}
	if err := w.link(ctx, customer.Address); err != nil {
		return err
	}
	defer w.end()
	if err := w.storm(ctx); err != nil {
		return err
	}
	got, err := w.settle(ctx, base)
	if err != nil {
		return err
	}
	if err := errors.Join(w.process.Stop(25*time.Second), customer.stop()); err != nil {
		return err
	}
	told = true
	posts, err := readLines[Post](filepath.Join(r.Dir, customerFile))
	if err != nil {
		return err
	}
	return r.check(got, posts)
}

// writers are the people who write to the device, and the server that it is linked to.
type writers struct {
	run     *Inbound
	phones  *product.Client // the network's controls
	install *product.Installation
	process *product.Process
	client  *product.Client
	kills   int
}

// link starts the server and links a device to the phone.
func (w *writers) link(ctx context.Context, customer string) error {
	var account, key, secret, device, qr string
	for _, step := range []func() (err error){
		func() (err error) {
			account, err = w.install.CreateAccount(ctx, "inbound", "KE", "KES", credit)
			return err
		},
		func() (err error) {
			key, err = w.install.CreateKey(ctx, account)
			return err
		},
		func() error { return w.start(ctx) },
		func() (err error) {
			w.client = product.NewClient(w.install.URL(), key)
			_, secret, err = w.client.CreateWebhook(ctx, "http://"+customer+"/hook", "message.*")
			return err
		},
		func() error { return hand(ctx, secret, customer) },
		func() error {
			return w.phones.Post(ctx, "/whatsapp/phones", map[string]string{"number": ownNumber}, nil)
		},
		func() (err error) {
			device, err = w.client.CreateDevice(ctx, "shop")
			return err
		},
		func() (err error) {
			qr, err = w.client.PairingCode(ctx, device)
			return err
		},
		func() error {
			return w.phones.Post(ctx, "/whatsapp/phones/"+ownNumber+"/scan", map[string]string{"qr": qr}, nil)
		},
		func() error { return w.client.AwaitDevice(ctx, device) },
	} {
		if err := again(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// again does what one write in a hundred fails, until it succeeds or has failed ten times.
func again(ctx context.Context, step func() error) (err error) {
	for range 10 {
		if err = step(); err == nil || ctx.Err() != nil {
			return err
		}
		pause(ctx, 100*time.Millisecond)
	}
	return err
}

func (w *writers) start(ctx context.Context) (err error) {
	if w.process, err = w.install.Start(); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	return w.install.Ready(ready, w.process)
}

func (w *writers) end() {
	if w.process != nil {
		w.process.Kill()
	}
}

// storm has people write, evenly, while the server is killed and started again.
func (w *writers) storm(ctx context.Context) error {
	random := rand.New(rand.NewPCG(w.run.Seed, 2))
	span := time.Duration(w.run.Messages) * time.Second / time.Duration(w.run.Rate)
	pause := span / time.Duration(w.run.Kills+1)
	written := make(chan error, 1)
	go func() { written <- w.write(ctx) }()
	for w.kills < w.run.Kills {
		select {
		case err := <-written:
			return errors.Join(err, fmt.Errorf("all was written after %d kills: ask for a slower rate", w.kills))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + time.Duration(random.Int64N(int64(pause/2)))):
		}
		w.process.Kill()
		w.kills++
		if err := again(ctx, func() error { return w.start(ctx) }); err != nil {
			return err
		}
	}
	fmt.Fprintf(w.run.Out, "  killed %d times while %d messages came in\n", w.kills, w.run.Messages)
	return <-written
}

// write sends all messages, in turns of the chats.
func (w *writers) write(ctx context.Context) error {
	tick := time.NewTicker(time.Second / time.Duration(w.run.Rate))
	defer tick.Stop()
	for n := range w.run.Messages {
		chat := n % w.run.Chats
		text := fmt.Sprintf(chatTag+" the storm", chat, n/w.run.Chats)
		if err := w.phones.Post(ctx, "/whatsapp/phones/"+person(chat)+"/send", map[string]string{"to": ownNumber, "text": text}, nil); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// person is the number of who writes a chat.
func person(chat int) string { return fmt.Sprintf("2547110%05d", chat) }

// settle waits until as many messages are stored as were written and every webhook is done, and returns them, oldest first.
func (w *writers) settle(ctx context.Context, base *Base) ([]product.Message, error) {
	db, err := base.open()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var stored, owed int
	for end := time.Now().Add(inboundDrain); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 500*time.Millisecond) {
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM message WHERE direction = 2").Scan(&stored); err != nil {
			continue
		}
		if owed, err = soon(db, time.Minute); err == nil && owed == 0 && stored >= w.run.Messages {
			break
		}
	}
	if stored < w.run.Messages || owed > 0 {
		fmt.Fprintf(w.run.Out, "  only %d messages are stored, and %d jobs are left\n", stored, owed)
	}
	var list []product.Message
	err = w.client.Messages(ctx, url.Values{"direction": {"inbound"}}, func(m product.Message) bool {
		list = append(list, m)
		return true
	})
	slices.SortFunc(list, func(a, b product.Message) int { return cmp.Compare(a.ID, b.ID) })
	return list, err
}

// check holds what was stored and told against what was written.
func (r *Inbound) check(list []product.Message, posts []Post) error {
	var wrong []error
	complain := func(text string, args ...any) { wrong = append(wrong, fmt.Errorf(text, args...)) }
	next := make([]int, r.Chats)
	for _, m := range list {
		var chat, n int
		if _, err := fmt.Sscanf(m.Text, chatTag, &chat, &n); err != nil || chat >= r.Chats || m.From != "+"+person(chat) {
			complain("message %s from %s says %q", m.ID, m.From, m.Text)
			continue
		}
		if n != next[chat] {
			complain("chat %d: message %d is stored where %d should be", chat, n, next[chat])
		}
		next[chat] = n + 1
	}
	for chat, n := range next {
		if want := (r.Messages + r.Chats - 1 - chat) / r.Chats; n != want {
			complain("chat %d has %d of %d messages", chat, n, want)
		}
	}
	told := map[string]map[string]bool{} // the ids of the events that were told of each message
	repeats := 0
	for _, p := range posts {
		if p.Type != "message.received" || p.Answer != http.StatusOK {
			continue
		}
		if !p.Verified {
			complain("a post about %s is not signed", p.Subject)
		}
		if told[p.Subject] == nil {
			told[p.Subject] = map[string]bool{}
		}
		if told[p.Subject][p.ID] {
			repeats++
		}
		told[p.Subject][p.ID] = true
	}
	for _, m := range list {
		if len(told[m.ID]) != 1 {
			complain("message %s was told as %d events", m.ID, len(told[m.ID]))
		}
	}
	fmt.Fprintf(r.Out, "  %d written, %d stored, %d told, %d posts repeated under their id, %d complaints\n", r.Messages, len(list), len(told), repeats, len(wrong))
	if len(wrong) > 20 {
		wrong = wrong[:20]
	}
	return errors.Join(wrong...)
}
