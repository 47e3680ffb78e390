package media_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/media"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alice account.ID = 11 << 22
	bob   account.ID = 12 << 22
	day              = 24 * time.Hour
)

var limits = media.Limits{Image: 10_000, Video: 4000, Audio: 3000, Document: 20_000, Sticker: 1000}

// kit is a keeper on a store of its own.
type kit struct {
	*media.Keeper
	t     *testing.T
	store *store.Store
	dir   string
}

func newKit(t *testing.T, change ...func(*media.Config)) *kit {
	t.Helper()
	k := &kit{t: t, store: storetest.Open(t), dir: filepath.Join(t.TempDir(), "media")}
	c := media.Config{
		Settings: media.Settings{Dir: k.dir, Keep: 30 * day, Link: 7 * day, Limits: limits}, Store: k.store,
		Guard: guard.New(guard.Options{
			AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AnyPrivatePort: true, MaxBody: limits.Most(), Timeout: 10 * time.Second,
		}),
	}
	for _, f := range change {
		f(&c)
	}
	t.Cleanup(c.Guard.Close)
	var err error
	k.Keeper, err = media.New(c)
	k.must(err)
	k.Serves("https://tidings.example")
	return k
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) write(f func(tx *store.Tx) error) {
	k.t.Helper()
	k.must(k.store.Write(f))
}

// put keeps bytes as a file of Alice.
func (k *kit) put(content []byte, name string, kind message.Type) message.Media {
	k.t.Helper()
	m, err := k.Put(k.t.Context(), alice, bytes.NewReader(content), name, kind)
	k.must(err)
	return m
}

// bytes reads a file.
func (k *kit) bytes(id message.MediaID) []byte {
	k.t.Helper()
	r, err := k.Open(k.t.Context(), id)
	k.must(err)
	defer r.Close()
	content, err := io.ReadAll(r)
	k.must(err)
	return content
}

func (k *kit) state(id message.MediaID) media.State {
	k.t.Helper()
	files, err := k.Of(k.t.Context(), id)
	k.must(err)
	return files[0].State
}

// names are the files on disk.
func (k *kit) names() (names []string) {
	k.t.Helper()
	entries, err := os.ReadDir(k.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		k.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// picture is a PNG.
func picture(width, height int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// run runs the keeper until the test ends.
func (k *kit) run() {
	ctx, stop := context.WithCancel(k.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx, ctx) }()
	k.t.Cleanup(func() { stop(); <-done })
}

// eventually waits for what happens in the background.
func (k *kit) eventually(what string, holds func() bool) {
	k.t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			k.t.Fatal("never: " + what)
		}
	}
}

// s3 is as much of S3 as the keeper asks for.
type s3 struct {
	mu      sync.Mutex
	objects map[string][]byte
	types   map[string]string
	times   map[string]time.Time
	broken  bool // it answers 500
}

func newS3(t *testing.T) (*s3, *media.Bucket) {
	t.Helper()
	s := &s3{objects: map[string][]byte{}, types: map[string]string{}, times: map[string]time.Time{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return s, &media.Bucket{
		Endpoint: strings.TrimPrefix(server.URL, "http://"), Name: "files", Prefix: "tidings/", Region: "eu-1", Key: "key", Secret: "secret", Plain: true, HTTP: transport,
	}
}

func (s *s3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, object := strings.CutPrefix(r.URL.Path, "/files/")
	object = object && key != ""
	switch {
	case s.broken:
		w.WriteHeader(http.StatusInternalServerError)
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=key/"):
		w.WriteHeader(http.StatusForbidden)
	case !object && r.Method == http.MethodHead:
	case !object:
		s.list(w, r.URL.Query().Get("prefix"))
	case r.Method == http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if n := r.Header.Get("X-Amz-Decoded-Content-Length"); n != "" && err == nil {
			body, err = unchunk(body, n)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.objects[key], s.types[key], s.times[key] = body, r.Header.Get("Content-Type"), time.Now()
		w.Header().Set("ETag", `"etag"`)
	case r.Method == http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		content, ok := s.objects[key]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
			return
		}
		w.Header().Set("ETag", `"etag"`)
		http.ServeContent(w, r, "", s.times[key], bytes.NewReader(content))
	}
}

// unchunk takes the signatures out of a body that is signed in pieces.
func unchunk(body []byte, length string) (content []byte, err error) {
	for {
		head, rest, _ := bytes.Cut(body, []byte("\r\n"))
		size, _, _ := strings.Cut(string(head), ";")
		n, err := strconv.ParseInt(size, 16, 64)
		if err != nil || n > int64(len(rest)) {
			return nil, fmt.Errorf("a piece of %q", size)
		}
		if n == 0 {
			break
		}
		content, body = append(content, rest[:n]...), rest[n+2:]
	}
	if strconv.Itoa(len(content)) != length {
		return nil, errors.New("the length is another")
	}
	return content, nil
}

func (s *s3) list(w io.Writer, prefix string) {
	type entry struct {
		Key          string
		LastModified string
		Size         int
		ETag         string
	}
	var list struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []entry
	}
	for key, content := range s.objects {
		if strings.HasPrefix(key, prefix) {
			list.Contents = append(list.Contents, entry{key, s.times[key].UTC().Format("2006-01-02T15:04:05.000Z"), len(content), "etag"})
		}
	}
	slices.SortFunc(list.Contents, func(a, b entry) int { return strings.Compare(a.Key, b.Key) })
	_ = xml.NewEncoder(w).Encode(list)
}

func (s *s3) keys() (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.objects {
		keys = append(keys, key)
	}
	return keys
}
