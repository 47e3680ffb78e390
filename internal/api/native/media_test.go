package native

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

func picture() string {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 3, 2))); err != nil {
		panic(err)
	}
	return b.String()
}

func TestAFileIsKeptShownAndRead(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	r := w.Do(alice, "POST", base+"/media?kind=image&name=../photo.png", picture(), "Content-Type", "text/html", "Idempotency-Key", "once")
	var made MediaReply
	r.JSON(t, &made)
	if r.Code != 201 || made.MIME != "image/png" || made.Name != "photo.png" || made.Width != 3 || made.State != "kept" || made.Origin != "upload" {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	if again := w.Do(alice, "POST", base+"/media?kind=image&name=../photo.png", picture(), "Idempotency-Key", "once"); again.Code != 201 || idOf(t, again) != made.ID {
		t.Errorf("%d %s", again.Code, again.Body)
	}
	expect(t, w.Do(alice, "POST", base+"/media?kind=image&name=other.png", picture(), "Idempotency-Key", "once"), 422, "idempotency_key_reused", "")
	var listed page[MediaReply]
	w.Do(alice, "GET", base+"/media?limit=1", "").JSON(t, &listed)
	if len(listed.Items) != 1 || listed.Items[0].ID != made.ID || listed.NextCursor != "" {
		t.Errorf("%+v", listed)
	}
	var read MediaReply
	w.Do(alice, "GET", base+"/media/"+made.ID, "").JSON(t, &read)
	link := strings.TrimPrefix(read.URL, apitest.PublicURL)
	for what, r := range map[string]apitest.Reply{
		"with a key": w.Do(alice, "GET", base+"/media/"+made.ID+"/content", ""), "by its link": w.Do("", "GET", link, ""),
	} {
		h := r.Header()
		if r.Code != 200 || r.Body.String() != picture() || h.Get("Content-Type") != "image/png" || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Content-Disposition") != "attachment; filename=photo.png" || h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
			t.Errorf("%s: %d %v", what, r.Code, h)
		}
	}
	if part := w.Do("", "GET", link, "", "Range", "bytes=1-3"); part.Code != 206 || part.Body.String() != "PNG" {
		t.Errorf("%d %q", part.Code, part.Body)
	}
	expect(t, w.Do("", "GET", link+"0", ""), 404, "not_found", "")
	w.Shift(8 * 24 * time.Hour)
	expect(t, w.Do("", "GET", link, ""), 404, "not_found", "")
	if r := w.Do(alice, "DELETE", base+"/media/"+made.ID, ""); r.Code != 204 {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	expect(t, w.Do(alice, "GET", base+"/media/"+made.ID, ""), 404, "not_found", "")
}

// form is a form with a field and a file.
func form(t *testing.T, name, content string) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	f := multipart.NewWriter(&b)
	if err := f.WriteField("note", "not the file"); err != nil {
		t.Fatal(err)
	}
	part, err := f.CreateFormFile("upload", name)
	if err == nil {
		_, err = io.WriteString(part, content)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), f.FormDataContentType()
}

func TestAFormBringsAFile(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	text, kind := form(t, "Rechnung für Jürgen.pdf", "%PDF-1.7\n")
	var made MediaReply
	r := w.Do(alice, "POST", base+"/media", text, "Content-Type", kind)
	r.JSON(t, &made)
	if r.Code != 201 || made.Name != "Rechnung für Jürgen.pdf" || made.MIME != "application/pdf" || made.Size != 9 {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}

func TestBadUploadsAreRefused(t *testing.T) {
	w := begin(t)
	alice, reader := w.Key(w.Alice, account.Admin), w.Key(w.Alice, account.MessagesRead)
	text, kind := form(t, "a", "x")
	for _, c := range []struct {
		what, key, query, body string
		headers                []string
		status                 int
		code, field            string
	}{
		{"no scope", reader, "", "x", nil, 403, "scope_missing", ""},
		{"nothing", alice, "", "", nil, 422, "empty_media", ""},
		{"too large for a sticker", alice, "?kind=sticker", strings.Repeat("x", 16<<10+1), nil, 413, "media_too_large", ""},
		{"too large", alice, "", strings.Repeat("x", 128<<10+1), nil, 413, "media_too_large", ""},
		{"far too large", alice, "", strings.Repeat("x", 1<<20), nil, 413, "body_too_large", ""},
		{"a text as an image", alice, "?kind=image", "hello", nil, 422, "unsupported_media", ""},
		{"a kind that is none", alice, "?kind=hologram", "x", nil, 422, "invalid_field", "kind"},
		{"a parameter that is none", alice, "?size=1", "x", nil, 400, "unknown_field", "size"},
		{"compressed", alice, "", "x", []string{"Content-Encoding", "gzip"}, 400, "malformed_body", ""},
		{"a form without a file", alice, "", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b--\r\n", []string{"Content-Type", "multipart/form-data; boundary=b"}, 422, "missing_field", "file"},
		{"a form without a boundary", alice, "", text, []string{"Content-Type", "multipart/form-data"}, 400, "malformed_body", ""},
		{"a form that breaks off", alice, "", text[:len(text)-30], []string{"Content-Type", kind}, 400, "malformed_body", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			expect(t, w.Do(c.key, "POST", base+"/media"+c.query, c.body, c.headers...), c.status, c.code, c.field)
		})
	}
	var listed page[MediaReply]
	w.Do(alice, "GET", base+"/media", "").JSON(t, &listed)
	if len(listed.Items) > 0 {
		t.Errorf("%+v", listed)
	}
}

// TestContentsGoOutAndAreShown sends what a linked device carries.
func TestContentsGoOutAndAreShown(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	ch := w.Device(connection.Channel{Name: "phone", Account: w.Alice.ID, Kind: message.WhatsApp}, "+254711000000")
	w.Write(func(tx *store.Tx) error {
		return w.Gateway.SetDefaults(tx, audit.System, w.Alice.ID, message.WhatsApp, []message.ChannelID{ch.ID})
	})
	file := idOf(t, w.Do(alice, "POST", base+"/media?kind=image", picture()))
	foreign := idOf(t, w.Do(w.Key(w.Bob, account.Admin), "POST", base+"/media?kind=image", picture()))
	whatsapp := func(content string) string {
		return `{"to":"+254701234567","kind":"whatsapp","content":` + content + `}`
	}
	for content, want := range map[string]string{
		`{"type":"image","text":"Look","media":{"id":"` + file + `"}}`:                                   `"state":"kept","mime":"image/png"`,
		`{"type":"document","media":{"url":"https://example.com/a.pdf","name":"a.pdf"}}`:                 `"state":"pending"`,
		`{"type":"location","location":{"latitude":-1.28,"longitude":36.8,"name":"Nairobi"}}`:            `"latitude":-1.28`,
		`{"type":"poll","text":"Tea?","options":["yes","no"],"choices":1}`:                               `"options":["yes","no"],"choices":1`,
		`{"type":"buttons","text":"Tea?","buttons":{"replies":[{"id":"y","title":"Yes"}],"footer":"x"}}`: `"replies":[{"id":"y","title":"Yes"}]`,
	} {
		r := w.Do(alice, "POST", base+"/messages", whatsapp(content))
		if r.Code != 202 || !strings.Contains(r.Body.String(), want) {
			t.Errorf("%s: %d %s", content, r.Code, r.Body)
			continue
		}
		if read := w.Do(alice, "GET", base+"/messages/"+idOf(t, r), "").Body.String(); !strings.Contains(read, want) {
			t.Errorf("%s is read as %s", content, read)
		}
	}
	group := strings.Replace(whatsapp(`{"type":"poll","text":"?","options":["a","b"]}`), "+254701234567", "120363000000000001@g.us", 1)
	expect(t, w.Do(alice, "POST", base+"/messages", group), 422, "no_price", "")
	w.Write(func(tx *store.Tx) error {
		return w.Core.Wallet.SetPrices(tx, audit.System, []wallet.Price{{Account: w.Alice.ID, Currency: w.Alice.Currency, Amount: 7}})
	})
	if r := w.Do(alice, "POST", base+"/messages", group); r.Code != 202 || !strings.Contains(r.Body.String(), `"to":"group:120363000000000001"`) {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	expect(t, w.Do(alice, "POST", base+"/messages", whatsapp(`{"type":"image","media":{"id":"`+foreign+`"}}`)), 404, "not_found", "content.media.id")
	expect(t, w.Do(alice, "POST", base+"/messages", whatsapp(`{"type":"video","media":{"id":"`+file+`"}}`)), 422, "unsupported_media", "content.media.id")
	expect(t, w.Do(alice, "POST", base+"/messages", whatsapp(`{"type":"image","media":{"url":"http://127.0.0.1/"}}`)), 422, "url_not_allowed", "content.media.url")
	expect(t, w.Do(alice, "POST", base+"/messages", whatsapp(`{"type":"contact","cards":[{"name":"A","phones":["+254701234567"]}]}`)), 422, "unsupported_content", "content.type")
	expect(t, w.Do(alice, "POST", base+"/messages", whatsapp(`{"type":"image","media":{}}`)), 422, "missing_field", "content.media")
}

// FuzzUpload looks for bodies that are answered by anything but a file or a fault of the sender's.
func FuzzUpload(f *testing.F) {
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n")
	f.Add("image/png", "x")
	f.Add("multipart/form-data; boundary=", "--\r\n")
	w := begin(f)
	key := w.Key(w.Alice, account.Admin)
	f.Fuzz(func(t *testing.T, kind, body string) {
		r := httptest.NewRequest(http.MethodPost, base+"/media", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", "Bearer "+key)
		reply := httptest.NewRecorder()
		w.ServeHTTP(reply, r)
		if reply.Code != 201 && (reply.Code < 400 || reply.Code > 499) {
			t.Errorf("%d %s", reply.Code, reply.Body)
		}
	})
}
