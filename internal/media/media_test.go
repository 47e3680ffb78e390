package media_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/media"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// samples begin as files of their types do.
var samples = map[string][]byte{
	"image/jpeg":      []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"),
	"image/webp":      []byte("RIFF\x24\x00\x00\x00WEBPVP8 "),
	"audio/ogg":       []byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x13OpusHead\x01\x01"),
	"audio/amr":       []byte("#!AMR\n\x3c\x00"),
	"audio/mpeg":      []byte("ID3\x03\x00\x00\x00\x00\x00\x0f"),
	"audio/mp4":       []byte("\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00M4A mp42isom\x00\x00\x00\x00"),
	"video/mp4":       []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"),
	"video/3gpp":      []byte("\x00\x00\x00\x18ftyp3gp5\x00\x00\x00\x00isom3gp5"),
	"application/pdf": []byte("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
	"text/html":       []byte("<!DOCTYPE html><script>alert(1)</script>"),
	"text/plain":      []byte("Dear customer"),
}

func TestAFileIsKeptAsItCame(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	content := picture(12, 7)
	m := k.put(content, "../../Übersicht 7.png", message.TypeImage)
	sum := sha256.Sum256(content)
	want := message.Media{ID: m.ID, MIME: "image/png", Name: "Übersicht 7.png", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Width: 12, Height: 7}
	if m != want || m.ID == 0 {
		t.Errorf("%+v, not %+v", m, want)
	}
	f, err := k.Get(t.Context(), alice, m.ID)
	k.must(err)
	if f.Media != want || f.State != media.Kept || f.Origin != media.Upload || f.Account != alice || f.Expires.Sub(m.ID.Time()) != 30*day {
		t.Errorf("%+v", f)
	}
	if !bytes.Equal(k.bytes(m.ID), content) {
		t.Error("the bytes are others")
	}
	if names := k.names(); len(names) != 1 || len(names[0]) != 26 {
		t.Errorf("on disk: %q", names)
	}
	info, err := os.Stat(filepath.Join(k.dir, k.names()[0]))
	k.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
}

// TestAnotherAccountsFileIsUnknown is S09 of the security rows as far as it is the keeper's.
func TestAnotherAccountsFileIsUnknown(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	m := k.put(samples["application/pdf"], "a.pdf", "")
	_, errGet := k.Get(t.Context(), bob, m.ID)
	_, _, errRead := k.Read(t.Context(), bob, m.ID)
	errDelete := k.store.Write(func(tx *store.Tx) error { return k.Delete(tx, bob, m.ID) })
	_, errNone := k.Get(t.Context(), alice, m.ID+1)
	for what, err := range map[string]error{"get": errGet, "read": errRead, "delete": errDelete, "none": errNone} {
		if !fault.Is(err, fault.NotHere) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var there []bool
	k.write(func(tx *store.Tx) (err error) {
		there, err = k.Claim(tx, []media.Use{{Account: bob, File: m.ID}, {Account: alice, File: m.ID}, {Account: alice, File: m.ID + 1}})
		return err
	})
	if there[0] || !there[1] || there[2] {
		t.Errorf("claimed: %v", there)
	}
	if list, err := k.List(t.Context(), bob, 0, 10); len(list) > 0 || err != nil {
		t.Errorf("%v %v", list, err)
	}
}

func TestTypesAreSniffed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for mime, head := range samples {
		m := k.put(head, "picture.png", "")
		if m.MIME != mime {
			t.Errorf("%s was taken for %s", mime, m.MIME)
		}
	}
}

func TestFilesKeepToTheirKind(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	padded := func(mime string, size int) []byte {
		return append(bytes.Clone(samples[mime]), make([]byte, size-len(samples[mime]))...)
	}
	huge := picture(1, 1)
	binary.BigEndian.PutUint32(huge[16:], 100_000) // S51: a hundred thousand pixels wide and high
	binary.BigEndian.PutUint32(huge[20:], 100_000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	for _, c := range []struct {
		what    string
		content []byte
		kind    message.Type
		code    fault.Code
	}{
		{"an image", picture(3, 3), message.TypeImage, ""},
		{"a damaged image", samples["image/jpeg"][:8], message.TypeImage, fault.UnsupportedMedia},
		{"a huge image", huge, message.TypeImage, fault.MediaTooLarge},
		{"a page as an image", samples["text/html"], message.TypeImage, fault.UnsupportedMedia},
		{"a page as a document", samples["text/html"], message.TypeDocument, ""},
		{"a video", samples["video/mp4"], message.TypeVideo, ""},
		{"a video as a voice note", samples["video/mp4"], message.TypeVoice, fault.UnsupportedMedia},
		{"a voice note", samples["audio/ogg"], message.TypeVoice, ""},
		{"an mp3 as a voice note", samples["audio/mpeg"], message.TypeVoice, fault.UnsupportedMedia},
		{"audio", samples["audio/mp4"], message.TypeAudio, ""},
		{"a sticker", padded("image/webp", 1000), message.TypeSticker, ""},
		{"a large sticker", padded("image/webp", 1001), message.TypeSticker, fault.MediaTooLarge},
		{"a large video", padded("video/mp4", 4001), message.TypeVideo, fault.MediaTooLarge},
		{"a large document", padded("text/plain", 20_001), "", fault.MediaTooLarge},
		{"the largest document", padded("text/plain", 20_000), "", ""},
		{"nothing", nil, "", fault.EmptyMedia},
	} {
		before := len(k.names())
		_, err := k.Put(t.Context(), alice, bytes.NewReader(c.content), "", c.kind)
		if f := fault.Of(err); c.code == "" && err != nil || c.code != "" && (f == nil || f.Code != c.code) {
			t.Errorf("%s: %v", c.what, err)
		}
		if left := len(k.names()) - before; c.code != "" && left != 0 {
			t.Errorf("%s left %d files", c.what, left)
		}
	}
}

// endless is a body that has no end (S44).
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read += int64(len(p))
	return len(p), nil
}

func TestTooMuchIsRefusedWhileItComes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	body := &endless{}
	if _, err := k.Put(t.Context(), alice, body, "", message.TypeImage); !fault.Is(err, fault.MediaTooLarge) {
		t.Error(err)
	}
	if body.read > 10*limits.Image {
		t.Errorf("%d bytes were read", body.read)
	}
	cut := errors.New("the caller went away")
	if _, err := k.Put(t.Context(), alice, iotest.ErrReader(cut), "", ""); !errors.Is(err, cut) {
		t.Error(err)
	}
	if names := k.names(); len(names) > 0 {
		t.Errorf("left on disk: %q", names)
	}
}

func TestAFullDiskTakesNoFile(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.Store = storetest.Open(t, func(o *store.Options) { o.DiskFloor, o.Serve = 1<<62, true })
	if _, err := k.Put(t.Context(), alice, strings.NewReader("text"), "", ""); !fault.Is(err, fault.DiskFull) {
		t.Error(err)
	}
}

func TestLinksLeadToTheFileForATime(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	m, other := k.put([]byte("one"), "one.txt", ""), k.put([]byte("two"), "", "")
	now := k.store.Now()
	url := k.URL(m.ID, now)
	if k.URL(m.ID, now) != url || !strings.HasPrefix(url, "https://tidings.example/tidings/v1/files/"+m.ID.String()+".") {
		t.Error(url)
	}
	link := url[strings.LastIndex(url, "/")+1:]
	follow := func(link string) error {
		f, content, err := k.Follow(t.Context(), link)
		if err != nil {
			return err
		}
		defer content.Close()
		if text, _ := io.ReadAll(content); string(text) != "one" || f.ID != m.ID {
			t.Errorf("%q leads to %q", link, text)
		}
		return nil
	}
	k.must(follow(link))
	parts := strings.Split(link, ".")
	for _, wrong := range []string{
		"", ".", "..", link + "0", link[:len(link)-1], strings.Replace(link, parts[0], other.ID.String(), 1),
		parts[0] + "." + parts[1] + "0." + parts[2], parts[0] + "." + parts[1] + ".", parts[0] + "." + strings.ToUpper(parts[1]) + "." + parts[2],
		strings.ToUpper(parts[0]) + "." + parts[1] + "." + parts[2],
	} {
		if err := follow(wrong); !fault.Is(err, fault.NotHere) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	k.store.Shift(7*day - time.Minute)
	k.must(follow(link))
	k.store.Shift(7*day + time.Minute)
	if err := follow(link); !fault.Is(err, fault.NotHere) {
		t.Error(err)
	}
}

func FuzzFollow(f *testing.F) {
	f.Add("018f-1.a.b")
	f.Add("00000000-0000-7000-8000-000000000000.zzzz.0000000000000000000000000000000000000000")
	var keeper *kit
	f.Fuzz(func(t *testing.T, link string) {
		if keeper == nil {
			keeper = newKit(t)
		}
		if _, _, err := keeper.Follow(t.Context(), link); !fault.Is(err, fault.NotHere) && !strings.Contains(err.Error(), "closed") {
			t.Errorf("%q: %v", link, err)
		}
	})
}

func TestFilesExpireUnlessAMessageNeedsThem(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	old, used := k.put([]byte("old"), "", ""), k.put([]byte("used"), "", "")
	k.write(func(tx *store.Tx) error {
		_, err := k.Claim(tx, []media.Use{{Account: alice, File: used.ID, Until: tx.Now().Add(100 * day)}, {Account: alice, File: old.ID, Until: tx.Now().Add(day)}})
		return err
	})
	k.store.Shift(29 * day)
	k.must(k.Expire(t.Context()))
	k.bytes(old.ID)
	k.store.Shift(31 * day)
	k.must(k.Expire(t.Context()))
	if k.state(old.ID) != media.Gone || len(k.names()) != 1 {
		t.Errorf("%v, on disk %q", k.state(old.ID), k.names())
	}
	if _, err := k.Open(t.Context(), old.ID); !fault.Is(err, fault.NotHere) {
		t.Error(err)
	}
	k.bytes(used.ID)
	k.store.Shift(101 * day)
	k.must(k.Expire(t.Context()))
	if len(k.names()) > 0 {
		t.Errorf("on disk: %q", k.names())
	}
}

func TestWhatNoRowNamesIsSwept(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	kept := k.put([]byte("kept"), "", "")
	_, err := k.Take(t.Context(), alice, strings.NewReader("taken, and never given a row"), "", "")
	k.must(err)
	k.must(os.WriteFile(filepath.Join(k.dir, "tmp-7"), []byte("broken off"), 0o600))
	young := append([]string(nil), k.names()...)
	k.must(k.Sweep(t.Context()))
	if len(k.names()) != len(young) {
		t.Error("what is just being made was swept")
	}
	for _, name := range young {
		old := time.Now().Add(-3 * time.Hour)
		k.must(os.Chtimes(filepath.Join(k.dir, name), old, old))
	}
	k.must(k.Sweep(t.Context()))
	if len(k.names()) != 1 {
		t.Errorf("on disk: %q", k.names())
	}
	k.bytes(kept.ID)
}

func TestAFileGoesWithTheLastMessageOfAPerson(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.run()
	shared, own := k.put([]byte("to all"), "", ""), k.put([]byte("to one"), "", "")
	k.write(func(tx *store.Tx) error {
		_, err := k.Claim(tx, []media.Use{{Account: alice, File: shared.ID}, {Account: alice, File: shared.ID}, {Account: alice, File: own.ID}})
		return err
	})
	k.write(func(tx *store.Tx) error { return k.Release(tx, bob, []message.MediaID{shared.ID, own.ID}) })
	k.bytes(own.ID)
	k.write(func(tx *store.Tx) error { return k.Release(tx, alice, []message.MediaID{shared.ID, own.ID}) })
	if k.state(own.ID) != media.Gone || k.state(shared.ID) != media.Kept {
		t.Errorf("%v %v", k.state(own.ID), k.state(shared.ID))
	}
	k.eventually("the bytes are removed", func() bool { return len(k.names()) == 1 })
	k.write(func(tx *store.Tx) error { return k.Delete(tx, alice, shared.ID) })
	k.eventually("the bytes are removed", func() bool { return len(k.names()) == 0 })
}

func TestListsAreNewestFirstAndExportsOldestFirst(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	var ids []message.MediaID
	for range 5 {
		ids = append(ids, k.put([]byte("x"), "", "").ID)
	}
	list, err := k.List(t.Context(), alice, 0, 3)
	k.must(err)
	next, err := k.List(t.Context(), alice, list[2].ID, 3)
	k.must(err)
	if len(list) != 3 || len(next) != 2 || list[0].ID != ids[4] || next[1].ID != ids[0] {
		t.Errorf("%v %v", list, next)
	}
	all, err := k.After(t.Context(), alice, ids[0], ids[4], 10)
	k.must(err)
	if len(all) != 3 || all[0].ID != ids[1] {
		t.Errorf("%v", all)
	}
}

// TestFilesInS3 tells the life of a file in a bucket.
func TestFilesInS3(t *testing.T) {
	t.Parallel()
	s, b := newS3(t)
	k := newKit(t, func(c *media.Config) { c.Bucket = b })
	k.run()
	k.must(b.Check(t.Context()))
	content := picture(5, 5)
	m := k.put(content, "", message.TypeImage)
	if !bytes.Equal(k.bytes(m.ID), content) || len(k.names()) > 0 {
		t.Errorf("on disk: %q", k.names())
	}
	keys := s.keys()
	if len(keys) != 1 || !strings.HasPrefix(keys[0], "tidings/") || s.types[keys[0]] != "image/png" {
		t.Errorf("%q %v", keys, s.types)
	}
	_, content2, err := k.Read(t.Context(), alice, m.ID)
	k.must(err)
	if _, err := content2.Seek(8, io.SeekStart); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(content2); !bytes.Equal(rest, content[8:]) || err != nil {
		t.Error(err)
	}
	k.must(content2.Close())
	_, err = k.Take(t.Context(), alice, strings.NewReader("an orphan"), "", "")
	k.must(err)
	s.mu.Lock()
	s.objects["of others"] = []byte("not ours")
	for key := range s.objects {
		s.times[key] = time.Now().Add(-3 * time.Hour)
	}
	s.mu.Unlock()
	k.must(k.Sweep(t.Context()))
	if len(s.keys()) != 2 {
		t.Errorf("%q", s.keys())
	}
	s.mu.Lock()
	delete(s.objects, keys[0])
	s.mu.Unlock()
	if _, err := k.Open(t.Context(), m.ID); !fault.Is(err, fault.NotHere) {
		t.Error(err)
	}
	k.write(func(tx *store.Tx) error { return k.Delete(tx, alice, m.ID) })
}
