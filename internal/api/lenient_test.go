package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/fault"
)

// lenient is what a compatible surface may be sent.
type lenient struct {
	To    api.Text  `json:"to"`
	Text  api.Text  `json:"text"`
	Image api.Text  `json:"image"`
	Some  api.Texts `json:"some"`
}

const mostImage = 100

// echo is a surface that answers with what it read, and with the bytes of the image.
func echo() api.Surface {
	return plain("echo", "/echo", func(k *api.Kit) {
		k.Handle("POST /echo", func(w http.ResponseWriter, r *http.Request) error {
			var image []byte
			in, err := api.DecodeLenient[lenient](r, api.File{Field: "image", Most: mostImage, Take: func(r io.Reader) (err error) {
				image, err = io.ReadAll(r)
				return err
			}})
			if err != nil {
				return err
			}
			return api.Reply(w, http.StatusOK, map[string]any{"to": in.To, "text": in.Text, "some": in.Some, "image": string(image)})
		})
	})
}

func TestCompatibleSurfacesReadWhatCallersWrite(t *testing.T) {
	w := apitest.New(t, api.Options{Body: 1000}, echo())
	const form = "application/x-www-form-urlencoded"
	const parts = "multipart/form-data; boundary=x"
	for _, c := range []struct{ query, kind, body, want string }{
		{"", "application/json", `{"to":"1","text":"a"}`, `to=1 text=a`},
		{"", "application/json", `{"to":919999999999}`, `to=919999999999`},
		{"", "application/json", ` {"to":null,"text":"","more":{"to":"2","image":"!"},"list":[{"image":"!"}]}`, ``},
		{"", "text/plain", `{"to":true,"some":["a",1,null]}`, `to=true some=a,1,`},
		{"", "", `{"some":7}`, `some=7`},
		{"", "application/json", ``, ``},
		{"", "application/json", "\n", ``},
		{"?to=5&text=x", "application/json", `{"text":"y"}`, `to=5 text=y`},
		{"?to=5", "", ``, `to=5`},
		{"", form, `to=1&text=a+b%21&some[]=1&some[]=2&flag`, `to=1 text=a b! some=1,2`},
		{"", form, `{"to":"1"}`, `to=1`}, // as curl -d sends it
		{"", parts, "--x\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n12\r\n--x--\r\n", `to=12`},
		{"", "application/json", `{"image":"aGVsbG8=","to":1}`, `to=1 image=hello`},
		{"", "application/json", `{"to":1,"\u0069mage":"aGVs\nbG8"}`, `to=1 image=hello`},
		{"", "application/json", `{"image":"Pz8\/Pz8\u002f"}`, `image=??????`},
		{"", "application/json", `{"image":"Pz8_Pz8_"}`, `image=??????`},
		{"", "application/json", `{"image":""}`, ``},
		{"", "application/json", `{"image":null}`, ``},
		{"", form, `image=Pz8/Pz8%2F&to=1`, `to=1 image=??????`},
		{"", form, `to=1&image=fn5+fn4`, `to=1 image=~~~~~`},
		{"", form, `image=&to=1`, `to=1`},
		{"", parts, "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\naGVsbG8=\r\n--x--\r\n", `image=hello`},

		{"", "application/json", `{"image":"iVBORw0KGgoAAA..."}`, "422 echo: invalid_field"},
		{"", "application/json", `{"image":"data:image/png;base64,aGVsbG8="}`, "422 echo: invalid_field"},
		{"", "application/json", `{"image":"aGVsb"}`, "422 echo: invalid_field"},
		{"", "application/json", `{"image":"aGVs=bG8"}`, "422 echo: invalid_field"},
		{"", "application/json", `{"image":"aGVs\u00ff"}`, "422 echo: invalid_field"},
		{"", "application/json", `{"to":{"a":1}}`, "422 echo: invalid_field"},
		{"", "application/json", `{"to":"\u0000"}`, "422 echo: invalid_field"},
		{"", "application/json", `{"image":"aGVs`, "400 echo: malformed_body"},
		{"", "application/json", `{"to":`, "400 echo: malformed_body"},
		{"", "application/json", `["to"]`, "400 echo: malformed_body"},
		{"", "application/json", "{\"to\":\"\xff\"}", "400 echo: malformed_body"},
		{"", "application/json", `{"to":1} x`, "400 echo: malformed_body"},
		{"", form, `to=%zz`, "400 echo: malformed_body"},
		{"", parts, "--x\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n12", "400 echo: malformed_body"},
		{"", "application/json", `{"image":"` + strings.Repeat("aGVs", mostImage/3+1) + `"}`, "413 echo: body_too_large"},
		{"", form, `image=` + strings.Repeat("aGVs", mostImage/3+1), "413 echo: body_too_large"},
		{"", "application/json", `{"text":"` + strings.Repeat("a", 1000) + `"}`, "413 echo: body_too_large"},
		{"", form, `text=` + strings.Repeat("a", 1000), "413 echo: body_too_large"},
		{"", parts, "--x\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n" + strings.Repeat("a", 1001) + "\r\n--x--\r\n", "413 echo: body_too_large"},
	} {
		got := w.Do("", "POST", "/echo"+c.query, c.body, "Content-Type", c.kind)
		if said := shown(t, got); said != c.want {
			t.Errorf("%s %s\nis read as %s\nwant       %s", c.kind, c.body, said, c.want)
		}
	}
}

// shown is a reply of echo in one line.
func shown(t *testing.T, r apitest.Reply) string {
	t.Helper()
	if r.Code != http.StatusOK {
		return strconv.Itoa(r.Code) + " " + r.Body.String()
	}
	var reply struct {
		To, Text, Image string
		Some            []string
	}
	r.JSON(t, &reply)
	var said []string
	for _, f := range []struct{ name, value string }{{"to", reply.To}, {"text", reply.Text}, {"some", strings.Join(reply.Some, ",")}, {"image", reply.Image}} {
		if f.value != "" {
			said = append(said, f.name+"="+f.value)
		}
	}
	return strings.Join(said, " ")
}

// A file is handed over while it comes, and one that is too large is refused before the rest of it was read.
func TestAFileThatIsTooLargeIsNotReadToItsEnd(t *testing.T) {
	w := apitest.New(t, api.Options{Body: 1000}, echo())
	var read int
	endless := readerFunc(func(p []byte) (int, error) {
		for i := range p {
			p[i] = 'A'
		}
		read += len(p)
		return len(p), nil
	})
	r := httptest.NewRequest(http.MethodPost, "/echo", io.MultiReader(strings.NewReader(`{"image":"`), endless))
	r.ContentLength = -1
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	if rec.Code != http.StatusRequestEntityTooLarge || read > 200<<10 {
		t.Errorf("%d after %d bytes", rec.Code, read)
	}
	r = httptest.NewRequest(http.MethodPost, "/echo", iotest.ErrReader(errors.New("it was read")))
	r.ContentLength = 1 << 30
	rec = httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	if rec.Code != http.StatusRequestEntityTooLarge || rec.Header().Get("Connection") != "close" {
		t.Errorf("a body that says it is too large is answered with %d", rec.Code)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// FuzzDecodeLenient: JSON and forms say the same, whatever is in them; what encoding/json takes is taken.
func FuzzDecodeLenient(f *testing.F) {
	f.Add("1", "a", []byte("hello"))
	f.Add(`\"`, "\u2028", []byte{0xff, 0})
	f.Fuzz(func(t *testing.T, to, text string, image []byte) {
		to, text = strings.ToValidUTF8(to, ""), strings.ToValidUTF8(text, "")
		if len(image) > mostImage || len(to)+len(text) > 100 || strings.ContainsRune(to+text, 0) {
			return
		}
		encoded := base64.StdEncoding.EncodeToString(image)
		asJSON, _ := json.Marshal(map[string]string{"to": to, "text": text, "image": encoded})
		asForm := url.Values{"to": {to}, "text": {text}, "image": {encoded}}.Encode()
		for kind, body := range map[string]string{"application/json": string(asJSON), "application/x-www-form-urlencoded": asForm} {
			in, got, err := decodeLenient(kind, body)
			if err != nil || string(in.To) != to || string(in.Text) != text || !bytes.Equal(got, image) {
				t.Fatalf("%s %s is read as %v, %q, %v", kind, body, in, got, err)
			}
		}
		_, _, err := decodeLenient("application/json", text)
		if told := fault.Of(err); err != nil && told == nil {
			t.Fatalf("%q fails with %v", text, err)
		}
	})
}

func decodeLenient(kind, body string) (in *lenient, image []byte, err error) {
	front := api.New(api.Options{}, api.Core{}, plain("fuzz", "/", func(k *api.Kit) {
		k.Handle("POST /fuzz", func(_ http.ResponseWriter, r *http.Request) error {
			in, err = api.DecodeLenient[lenient](r, api.File{Field: "image", Most: mostImage, Take: func(r io.Reader) (err error) {
				image, err = io.ReadAll(r)
				return err
			}})
			return err
		})
	}))
	r := httptest.NewRequest(http.MethodPost, "/fuzz", strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	front.ServeHTTP(httptest.NewRecorder(), r)
	return in, image, err
}
