package whatsapp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/util/cbcutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
)

const (
	mediaHost   = "mmg.whatsapp.net"
	pictureHost = "pps.whatsapp.net"
	mediaAuth   = "sim-media-auth" // what an upload must show
	macSize     = 10
	maxMedia    = 128 << 20
)

// media is the hosts that keep files, which are sealed by who sends them.
type media struct {
	mu     sync.Mutex
	blobs  map[string][]byte // by path
	gone   map[string]int    // the status for a file that is no more
	status int               // of the next uploads, if not 0
	fails  int               // how many
	serial uint64
}

func newMedia() *media { return &media{blobs: map[string][]byte{}, gone: map[string]int{}} }

func (m *media) routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /mms/{type}/{token}", m.upload)
	mux.HandleFunc("DELETE /mms/{type}/{token}", m.remove)
	mux.HandleFunc("GET /v/", m.download)
	mux.HandleFunc("GET /pp/", m.download)
}

// connection tells a client which hosts to use.
func (m *media) connection() answer {
	return result(node{Tag: "media_conn", Attrs: attrs{
		"auth": mediaAuth, "ttl": "3600", "auth_ttl": "21600", "max_buckets": "12",
	}, Content: []node{{Tag: "host", Attrs: attrs{"hostname": mediaHost}}}})
}

func (m *media) next() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serial++
	return m.serial
}

// keep stores a file at a path, and answers the path.
func (m *media) keep(path string, body []byte) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[path] = body
	return path
}

// store keeps a sealed file and answers the direct path, which has a query as the service's do.
func (m *media) store(body []byte) string {
	return m.keep(fmt.Sprintf("/v/t62.7118-24/%d_n.enc", m.next()), body) + "?ccb=11-4&oh=sim&oe=sim"
}

func (m *media) upload(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxMedia))
	if err != nil {
		http.Error(out, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if status := m.failing(); status != 0 {
		out.WriteHeader(status)
		return
	}
	sum := sha256.Sum256(body)
	switch {
	case r.URL.Query().Get("auth") != mediaAuth:
		http.Error(out, "no auth", http.StatusUnauthorized)
		return
	case r.PathValue("token") != base64.URLEncoding.EncodeToString(sum[:]):
		http.Error(out, "the token is not the file's", http.StatusBadRequest)
		return
	}
	path := m.store(body)
	_ = json.NewEncoder(out).Encode(map[string]string{"url": "https://" + mediaHost + path, "direct_path": path, "handle": strconv.Itoa(len(body))})
}

// remove forgets a file that its reader has done with, as clients do with their history.
func (m *media) remove(out http.ResponseWriter, r *http.Request) {
	path, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("d_md"))
	if err != nil || r.URL.Query().Get("auth") != mediaAuth {
		http.Error(out, "no auth or no path", http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, string(path))
}

func (m *media) failing() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails == 0 {
		return 0
	}
	m.fails--
	return m.status
}

func (m *media) download(out http.ResponseWriter, r *http.Request) {
	body, status := m.at(r.URL.Path)
	if status != http.StatusOK {
		out.WriteHeader(status)
		return
	}
	out.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = out.Write(body)
}

func (m *media) at(path string) ([]byte, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if status := m.gone[path]; status != 0 {
		return nil, status
	}
	body, ok := m.blobs[path]
	if !ok {
		return nil, http.StatusNotFound
	}
	return body, http.StatusOK
}

// ExpireMedia takes all files off the media hosts: they answer with the status, 404 or 410.
func (s *Server) ExpireMedia(status int) {
	s.media.mu.Lock()
	defer s.media.mu.Unlock()
	for path := range s.media.blobs {
		if strings.HasPrefix(path, "/v/") {
			s.media.gone[path] = status
		}
	}
}

// revive puts a file that has expired under a new path, as the phone that has it does.
func (m *media) revive(directPath string) (string, error) {
	path, _, _ := strings.Cut(directPath, "?")
	m.mu.Lock()
	body, ok := m.blobs[path]
	m.mu.Unlock()
	if !ok {
		return "", errors.New("the phone has not got the file")
	}
	return m.store(body), nil
}

// FailUploads lets the next uploads fail with a status.
func (s *Server) FailUploads(uploads, status int) {
	s.media.mu.Lock()
	defer s.media.mu.Unlock()
	s.media.fails, s.media.status = uploads, status
}

// attached is a file that was sealed and put on a media host.
type attached struct {
	url, path        string
	key, sum, sealed []byte
	size             uint64
}

// attach seals a file as a phone does and uploads it.
func (s *Server) attach(file []byte, kind whatsmeow.MediaType) (a attached, err error) {
	a.key, a.size = random(32), uint64(len(file))
	body, err := sealMedia(file, a.key, kind)
	if err != nil {
		return a, fmt.Errorf("seal a file: %w", err)
	}
	plain, whole := sha256.Sum256(file), sha256.Sum256(body)
	a.sum, a.sealed = plain[:], whole[:]
	a.path = s.media.store(body)
	a.url = "https://" + mediaHost + a.path
	return a, nil
}

func sealMedia(file, key []byte, kind whatsmeow.MediaType) ([]byte, error) {
	iv, cipherKey, macKey := mediaKeys(key, kind)
	sealed, err := cbcutil.Encrypt(cipherKey, iv, file)
	if err != nil {
		return nil, err
	}
	return append(sealed, mediaMAC(macKey, iv, sealed)...), nil
}

func mediaKeys(key []byte, kind whatsmeow.MediaType) (iv, cipherKey, macKey []byte) {
	expanded := hkdfutil.SHA256(key, nil, []byte(kind), 112)
	return expanded[:16], expanded[16:48], expanded[48:80]
}

func mediaMAC(key, iv, sealed []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(iv)
	mac.Write(sealed)
	return mac.Sum(nil)[:macSize]
}

// Download gets the file of a media message as a phone does: from the media host, with both sums and the seal checked.
func (s *Server) Download(m whatsmeow.DownloadableMessage) ([]byte, error) {
	path, _, _ := strings.Cut(m.GetDirectPath(), "?")
	body, status := s.media.at(path)
	if status != http.StatusOK {
		return nil, fmt.Errorf("the media host answers %d", status)
	}
	if sum := sha256.Sum256(body); !hmac.Equal(sum[:], m.GetFileEncSHA256()) || len(body) <= macSize {
		return nil, errors.New("the sealed file is another than the message says")
	}
	iv, cipherKey, macKey := mediaKeys(m.GetMediaKey(), whatsmeow.GetMediaType(m))
	sealed := body[:len(body)-macSize]
	if !hmac.Equal(mediaMAC(macKey, iv, sealed), body[len(sealed):]) {
		return nil, errors.New("the file's seal is broken")
	}
	file, err := cbcutil.Decrypt(cipherKey, iv, sealed)
	if err != nil {
		return nil, fmt.Errorf("open a file: %w", err)
	}
	if sum := sha256.Sum256(file); !hmac.Equal(sum[:], m.GetFileSHA256()) {
		return nil, errors.New("the file is another than the message says")
	}
	return file, nil
}
