package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tidings.dev/internal/simulator/whatsapp"
	"tidings.dev/test/product"
)

// Linked measures many linked devices on one server: what each takes, how soon all are there after a start, and whether anything
// grows while people write to them.
type Linked struct {
	Devices int
	Cold    int           // devices of the cold start
	Soak    time.Duration // with messages both ways; 0: none
	Rate    int           // messages a second in the soak, over all devices, each way
	Dir     string
	Out     io.Writer

	network *peer
	phones  *product.Client // the network's controls
	install *product.Installation
	process *product.Process
	client  *product.Client
	ids     []string // of the devices
}

const (
	simulatedTag = "simulated_networks" // a build that can be told where WhatsApp is
	linkers      = 4                    // devices that are linked at a time
	calm         = 45 * time.Second     // for what linking used to be given back
)

func whatsappMain(args []string) error {
	l := &Linked{Out: os.Stdout}
	flags := flag.NewFlagSet("whatsapp", flag.ContinueOnError)
	flags.IntVar(&l.Devices, "devices", 1000, "linked devices")
	flags.IntVar(&l.Cold, "cold", 500, "of them for the cold start")
	flags.DurationVar(&l.Soak, "soak", 10*time.Minute, "how long messages go both ways; 0: not at all")
	flags.IntVar(&l.Rate, "rate", 10, "messages a second each way, over all devices")
	flags.StringVar(&l.Dir, "dir", "", "scratch folder; default: a new temporary one, removed at the end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if l.Dir == "" {
		dir, err := os.MkdirTemp("", "bench-whatsapp-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		l.Dir = dir
	}
	return l.run(ctx)
}

// networkMain is WhatsApp and its phones, in a process of their own.
func networkMain([]string) error {
	network := whatsapp.New(whatsapp.Config{})
	if err := network.Start(); err != nil {
		return err
	}
	return errors.Join(serveUntilInputEnds(fmt.Sprintf("%s,%x", network.Addr(), network.RootKey()), network.Control()), network.Close())
}

func (l *Linked) run(ctx context.Context) error {
	describe(l.Out, 1)
	printHead(l.Out)
	binary := filepath.Join(l.Dir, "tidings")
	if err := product.Build(ctx, "./cmd/tidings", binary, simulatedTag); err != nil {
		return err
	}
	var err error
	if l.network, err = startPeer("whatsapp-network"); err != nil {
		return err
	}
	defer l.network.stop()
	l.phones = product.NewClient("http://"+l.network.control, "")
	log, err := os.Create(filepath.Join(l.Dir, "product.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	if l.install, err = product.New(binary, filepath.Join(l.Dir, "data"), log); err != nil {
		return err
	}
	l.install.Setting = []string{"SIMULATED_WHATSAPP=" + l.network.address}
	account, err := l.install.CreateAccount(ctx, "bench", "KE", "KES", 0)
	if err != nil {
		return err
	}
	key, err := l.install.CreateKey(ctx, account)
	if err != nil {
		return err
	}
	l.client, l.ids = product.NewClient(l.install.URL(), key), make([]string, l.Devices)
	if err := l.start(ctx); err != nil {
		return err
	}
	defer func() { l.process.Kill() }()
	return l.figures(ctx)
}

// figures measures one thing after the other and prints each.
func (l *Linked) figures(ctx context.Context) error {
	idle, err := l.resident(ctx)
	if err != nil {
		return err
	}
	linking := &Figure{Name: "linking a device by QR, four at a time", Unit: "ms"}
	began := time.Now()
	if err := l.link(ctx, 0, l.Cold); err != nil {
		return err
	}
	cold := &Figure{Name: fmt.Sprintf("cold start of %d devices", l.Cold), Unit: "s", Floor: 15, Lower: true}
	for range 3 {
		took, err := l.restart(ctx, l.Cold)
		if err != nil {
			return err
		}
		cold.add(took.Seconds())
	}
	if err := l.link(ctx, l.Cold, l.Devices); err != nil {
		return err
	}
	linking.add(float64(time.Since(began).Milliseconds()) / float64(l.Devices))
	all := &Figure{Name: fmt.Sprintf("cold start of %d devices", l.Devices), Unit: "s"}
	took, err := l.restart(ctx, l.Devices)
	if err != nil {
		return err
	}
	all.add(took.Seconds())
	full, err := l.resident(ctx)
	if err != nil {
		return err
	}
	each := &Figure{Name: "resident memory of a device", Unit: "MB", Floor: 0.5, Lower: true}
	each.add((full - idle) / float64(l.Devices))
	for _, f := range []*Figure{linking, cold, all, each} {
		f.print(l.Out)
	}
	if l.Soak <= 0 {
		return nil
	}
	return l.soak(ctx)
}

func (l *Linked) start(ctx context.Context) (err error) {
	if l.process, err = l.install.Start(); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return l.install.Ready(ready, l.process)
}

// resident is the server's memory once it has come to rest, in MB.
func (l *Linked) resident(ctx context.Context) (float64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(calm):
	}
	return residentOf(l.process.Pid())
}

// own is the number of the phone of a device.
func own(n int) string { return fmt.Sprintf("25470%07d", n) }

// link makes devices and has phones scan their codes.
func (l *Linked) link(ctx context.Context, from, to int) error {
	var next atomic.Int64
	next.Store(int64(from))
	errs := make([]error, linkers+1)
	var running sync.WaitGroup
	for i := range linkers {
		running.Go(func() {
			for n := int(next.Add(1)) - 1; n < to && errs[i] == nil && ctx.Err() == nil; n = int(next.Add(1)) - 1 {
				errs[i] = l.linkOne(ctx, n)
			}
		})
	}
	running.Wait()
	errs[linkers] = ctx.Err()
	return errors.Join(errs...)
}

func (l *Linked) linkOne(ctx context.Context, n int) error {
	if err := l.phones.Post(ctx, "/whatsapp/phones", map[string]any{"number": own(n)}, nil); err != nil {
		return err
	}
	device, err := l.client.CreateDevice(ctx, fmt.Sprintf("device-%d", n))
	if err != nil {
		return err
	}
	qr, err := l.client.PairingCode(ctx, device)
	if err != nil {
		return err
	}
	l.ids[n] = device
	if err := l.phones.Post(ctx, "/whatsapp/phones/"+own(n)+"/scan", map[string]any{"qr": qr}, nil); err != nil {
		return err
	}
	return l.client.AwaitDevice(ctx, device)
}

// restart kills the server and tells how long it takes, from the start of the process, until as many devices are connected.
func (l *Linked) restart(ctx context.Context, devices int) (time.Duration, error) {
	if err := l.process.Stop(30 * time.Second); err != nil {
		return 0, err
	}
	if err := l.start(ctx); err != nil {
		return 0, err
	}
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		up, err := l.connected(ctx)
		if err != nil {
			return 0, err
		}
		if up >= devices {
			return time.Since(l.process.Started), nil
		}
	}
	return 0, fmt.Errorf("not all of %d devices were connected again within two minutes", devices)
}

// connected is how many devices are, each with a window of one.
func (l *Linked) connected(ctx context.Context) (int, error) {
	numbers, err := l.install.Metrics(ctx)
	return int(numbers["tidings_unknown_window"]), err
}

// soak sends messages both ways and tells whether goroutines and memory grow.
func (l *Linked) soak(ctx context.Context) error {
	ctx, end := context.WithTimeout(ctx, l.Soak)
	defer end()
	var in, out atomic.Int64
	problems := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { l.pace(ctx, &in, problems, l.writeIn) })
	running.Go(func() { l.pace(ctx, &out, problems, l.writeOut) })
	goroutines := &Figure{Name: "goroutines, last quarter of a soak / second", Floor: 1.05, Lower: true}
	memory := &Figure{Name: "resident memory, last quarter of a soak / second", Floor: 1.1, Lower: true}
	var counts, sizes []float64
	for ctx.Err() == nil {
		numbers, err := l.install.Metrics(ctx)
		if err == nil {
			size, err := residentOf(l.process.Pid())
			if err != nil {
				return err
			}
			counts, sizes = append(counts, numbers["go_goroutines"]), append(sizes, size)
		}
		select {
		case <-ctx.Done():
		case err := <-problems:
			return err
		case <-time.After(l.Soak / 120):
		}
	}
	running.Wait()
	goroutines.add(grown(counts))
	memory.add(grown(sizes))
	goroutines.print(l.Out)
	memory.print(l.Out)
	fmt.Fprintf(l.Out, "%s: %d messages to devices, %d from them, %.0f goroutines, %.0f MB\n", l.Soak, in.Load(), out.Load(),
		counts[len(counts)-1], sizes[len(sizes)-1])
	return nil
}

// grown is the mean of the last quarter of samples over that of the second.
func grown(samples []float64) float64 {
	quarter := len(samples) / 4
	return mean(samples[len(samples)-quarter:]) / mean(samples[quarter:2*quarter])
}

func mean(samples []float64) (sum float64) {
	for _, s := range samples {
		sum += s
	}
	return sum / float64(len(samples))
}

// pace does something at the rate until ctx ends.
func (l *Linked) pace(ctx context.Context, count *atomic.Int64, problems chan<- error, do func(ctx context.Context, n int) error) {
	tick := time.NewTicker(time.Second / time.Duration(l.Rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := do(ctx, n); err != nil && ctx.Err() == nil {
			select {
			case problems <- err:
			default:
			}
			return
		}
		count.Add(1)
	}
}

func (l *Linked) writeIn(ctx context.Context, n int) error {
	return l.phones.Post(ctx, fmt.Sprintf("/whatsapp/phones/25471%07d/send", n%5000), map[string]any{"to": own(n % l.Devices), "text": "How are you?"}, nil)
}

func (l *Linked) writeOut(ctx context.Context, n int) error {
	return l.client.SendBy(ctx, l.ids[n%l.Devices], fmt.Sprintf("+25472%07d", n%5000), "Your order is on its way. We will tell you when it is there.")
}
