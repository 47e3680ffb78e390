package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/media"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

const (
	fetchTries   = 6                  // of a file to be sent: about a minute
	receiveFor   = 3 * 24 * time.Hour // how long a file that came in is tried to be fetched
	mediaSlack   = 24 * time.Hour     // a file stays so much longer than its message may wait
	fetchKind    = "fetch"            // of jobs: the file of a message that came in
	fetchPattern = "fetch:%d"
)

// FetchLane is the lane of a channel's files that came in. It is worked where the channel has a session that is a channel.Fetcher.
func FetchLane(ch message.ChannelID) string { return fmt.Sprintf(fetchPattern, int64(ch)) }

// checkFile looks at the file that a draft names, by its key or by its address.
func (g *Gateway) checkFile(ctx context.Context, m *message.Message) error {
	named := m.Content.Media
	if named == nil {
		return nil
	}
	if (named.ID == 0) == (named.URL == "") {
		return fault.New(fault.MissingField, "a file is named by its id or by its address").In("content.media")
	}
	if named.URL != "" {
		if err := g.Media.Guard.CheckURL(ctx, named.URL); err != nil {
			if f := fault.Of(err); f != nil {
				return f.In("content.media.url")
			}
			return err
		}
		m.Content.Media = &message.Media{URL: named.URL, Name: named.Name, Seconds: named.Seconds}
		return nil
	}
	f, err := g.Media.Get(ctx, m.Account, named.ID)
	switch {
	case err == nil && f.State == media.Kept:
		err = g.Media.Limits.Check(m.Content.Type, f.Media)
	case err == nil && (f.State != media.Pending || f.Origin != media.Linked):
		err = fault.New(fault.NotHere, "the file %s is %s", named.ID, f.State)
	}
	if told := fault.Of(err); told != nil {
		return told.In("content.media.id")
	}
	f.Name = cmp.Or(named.Name, f.Name)
	f.Seconds, f.Media.State = max(named.Seconds, f.Seconds), f.State.String()
	m.Content.Media = &f.Media
	return err
}

// attach gives the accepted messages their files: each has one more message, and one at an address has its row now.
func (g *Gateway) attach(tx *store.Tx, results []*Result) error {
	var uses []media.Use
	for _, r := range results {
		m := &r.Message
		if m.Content.Media == nil {
			continue
		}
		file := *m.Content.Media
		if file.URL != "" {
			var err error
			if file.ID, err = g.Media.Link(tx, m.Account, file.URL, file.Name, m.Content.Type); err != nil {
				return err
			}
			file.URL = ""
		}
		m.Content.Media = &file
		uses = append(uses, media.Use{Account: m.Account, File: file.ID, Until: m.ValidUntil.Add(mediaSlack)})
	}
	if len(uses) == 0 {
		return nil
	}
	_, err := g.Media.Claim(tx, uses) // one that was deleted meanwhile fails its message when it is to be sent
	return err
}

// ready gets the file of a part that is about to go out, where it is not here yet. The part keeps its place meanwhile.
func (g *Gateway) ready(ctx context.Context, t *queue.Task, p *sending) *channel.Failure {
	named := p.out.Content.Media
	if named == nil {
		return nil
	}
	f, err := g.Media.Fetch(ctx, named.ID)
	switch {
	case err == nil:
		f.Name, f.Seconds = cmp.Or(named.Name, f.Name), max(named.Seconds, f.Seconds)
		p.out.Content.Media = &f.Media
		return nil
	case media.Final(err):
		return &channel.Failure{Verdict: channel.Reject, Code: string(fault.Of(err).Code), Err: err}
	case fault.Of(err) == nil && readMemo(t.Data).tries+1 >= fetchTries && ctx.Err() == nil:
		return &channel.Failure{Verdict: channel.Reject, Code: string(fault.MediaUnavailable), Err: err}
	default:
		return &channel.Failure{Verdict: channel.Retry, Code: string(fault.MediaUnavailable), Err: err}
	}
}

// expectFiles gives the files of messages that came in their rows, and the jobs that fetch them.
func (g *Gateway) expectFiles(tx *store.Tx, a *arrival, m *message.Message) ([]queue.Job, error) {
	c := &m.Content
	if len(a.in.Fetch) == 0 || !c.Type.Carries() {
		return nil, nil
	}
	var file message.Media
	if c.Media != nil {
		file = *c.Media
	}
	id, err := g.Media.Expect(tx, m.Account, m.ID, file, c.Type, a.in.Fetch)
	if err != nil {
		return nil, err
	}
	file.ID = id
	c.Media = &file
	priority := message.Transactional
	if a.in.Past {
		priority = message.Bulk
	}
	return []queue.Job{{
		ID: tx.NewID(), Lane: FetchLane(m.Channel), Kind: fetchKind, Subject: int64(m.ID), Account: m.Account, Priority: int(priority),
		Due: tx.Now(), Expires: tx.Now().Add(receiveFor), Data: id.String(),
	}}, nil
}

// receiving is a file with a worker, and what became of it.
type receiving struct {
	file    message.MediaID
	message message.ID
	done    *media.File // nil: it is tried again
}

// Fetcher is the work of a channel's lane of files over a session.
func (g *Gateway) Fetcher(s channel.Fetcher) queue.Do {
	return func(ctx context.Context, t *queue.Task) {
		r := t.Payload.(*receiving)
		f, err := g.Media.Receive(ctx, r.file, func(ctx context.Context, source []byte, into io.Writer) error { return fetchBy(ctx, s, source, into) })
		fail, told := errors.AsType[*channel.Failure](err)
		switch {
		case err == nil:
			r.done, t.Next = &f, queue.Done()
		case told && fail.Verdict == channel.Reject, !told && media.Final(err):
			g.Log.Info("a file is gone", "message", r.message, "err", err)
			lost := media.Lost(r.file)
			r.done, t.Next = &lost, queue.Done()
		default:
			g.Log.Debug("a file is tried again", "message", r.message, "err", err)
			wait := queue.Backoff(int(t.Step))
			if told && fail.Pause > 0 {
				wait = fail.Pause
			}
			t.Next = queue.Again(g.Store.Now().Add(wait), t.Step+1, t.Data)
		}
	}
}

// fetchBy has the session fetch a file. A panic of it costs this try only.
func fetchBy(ctx context.Context, s channel.Fetcher, source []byte, into io.Writer) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &channel.Failure{Verdict: channel.Retry, Code: "driver_panic", Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	return s.Fetch(ctx, source, into)
}

// beginFetch reads which files are to be fetched.
func (g *Gateway) beginFetch(_ *store.Tx, tasks []*queue.Task) error {
	for _, t := range tasks {
		r, err := receivingOf(t)
		if err != nil {
			return err
		}
		t.Payload = r
	}
	return nil
}

func receivingOf(t *queue.Task) (*receiving, error) {
	r := &receiving{message: message.ID(t.Subject)}
	if err := r.file.UnmarshalText([]byte(t.Data)); err != nil {
		return nil, fmt.Errorf("read the job of a file: %w", err)
	}
	return r, nil
}

// endFetch writes what became of files, and tells it.
func (g *Gateway) endFetch(tx *store.Tx, tasks []*queue.Task) error {
	var done []*receiving
	for _, t := range tasks {
		if r := t.Payload.(*receiving); r.done != nil && !t.Fenced {
			done = append(done, r)
		}
	}
	return g.tellFiles(tx, done)
}

// expireFetch gives up files that nobody could fetch.
func (g *Gateway) expireFetch(tx *store.Tx, tasks []*queue.Task) error {
	var done []*receiving
	for _, t := range tasks {
		r, err := receivingOf(t)
		if err != nil {
			return err
		}
		lost := media.Lost(r.file)
		r.done = &lost
		done = append(done, r)
	}
	return g.tellFiles(tx, done)
}

// tellFiles settles files, and tells of them whoever was told of their messages.
func (g *Gateway) tellFiles(tx *store.Tx, done []*receiving) error {
	ids := make([]message.ID, len(done))
	for i, r := range done {
		ids[i] = r.message
		if err := g.Media.Settle(tx, *r.done); err != nil {
			return err
		}
	}
	states, err := g.load(tx, ids)
	if err != nil {
		return err
	}
	var told []*state
	for _, r := range done {
		s := states[r.message]
		if s == nil || s.row.Seq == 0 { // it is no more, or it is history
			continue
		}
		s.happen(event.Media, tx.Now(), event.Change{Reason: r.done.Reason})
		told = append(told, s)
	}
	return g.write(tx, told)
}

// files are those of the messages.
func (g *Gateway) withFiles(ctx context.Context, messages []message.Message) error {
	for i := range messages {
		if err := g.withFile(ctx, &messages[i]); err != nil {
			return err
		}
	}
	return nil
}

// withFile brings what a message says of its file up to this moment.
func (g *Gateway) withFile(ctx context.Context, m *message.Message) error {
	named := m.Content.Media
	if named == nil || named.ID == 0 {
		return nil
	}
	files, err := g.Media.Of(ctx, named.ID)
	if err != nil {
		return err
	}
	f := files[0]
	if f.State == media.Gone && f.Account == 0 { // its row is no more
		f.Media = *named
	}
	f.Name, f.Seconds, f.Media.State = cmp.Or(named.Name, f.Name), max(named.Seconds, f.Seconds), f.State.String()
	m.Content.Media = &f.Media
	return nil
}

// releaseFiles takes the files from messages of a person who is erased.
func (g *Gateway) releaseFiles(tx *store.Tx, a account.ID, contents []string) error {
	var files []message.MediaID
	for _, text := range contents {
		var c message.Content
		if json.Unmarshal([]byte(text), &c) == nil && c.Media != nil && c.Media.ID != 0 {
			files = append(files, c.Media.ID)
		}
	}
	if len(files) == 0 {
		return nil
	}
	return g.Media.Release(tx, a, files)
}
