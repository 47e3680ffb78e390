package native

import (
	"io"
	"mime"
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/media"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func (s *server) mediaOperations() []operation {
	return []operation{
		op[uploadInput, output[MediaReply]]("POST /media", account.MessagesSend, "createMedia", "Keep a file, to be sent with messages", s.createMedia).answers(201).file().once(),
		op[PageInput, output[page[MediaReply]]]("GET /media", account.MessagesRead, "listMedia", "List files", s.listMedia),
		op[IDInput, output[MediaReply]]("GET /media/{id}", account.MessagesRead, "readMedia", "Read what is known of a file, and a link to it", s.readMedia),
		op[IDInput, bytesOutput]("GET /media/{id}/content", account.MessagesRead, "readMediaContent", "Read a file", s.readMediaContent),
		op[IDInput, nothing]("DELETE /media/{id}", account.MessagesSend, "deleteMedia", "Delete a file", s.deleteMedia).answers(204),
		op[fileLinkInput, bytesOutput]("GET /files/{link}", open, "readFile", "Read a file by its link", s.readFile),
	}
}

// uploadInput is a file. A form with one (multipart/form-data) is taken too.
type uploadInput struct {
	Name    string `query:"name" maxLength:"255" doc:"The file's name; a form's file may bring its own."`
	Kind    string `query:"kind" enum:"image,video,audio,voice,document,sticker" doc:"The type of content that the file is for, whose limits it must keep to. Without it, it may be as large as a document."`
	RawBody []byte `contentType:"application/octet-stream"`
}

// fileLinkInput is a signed link's own part.
type fileLinkInput struct {
	Link string `path:"link"`
}

// bytesOutput is a file as it is.
type bytesOutput struct {
	Body []byte `contentType:"application/octet-stream"`
}

// MediaReply is a file.
type MediaReply struct {
	ID        string  `json:"id" format:"uuid"`
	State     string  `json:"state" enum:"pending,kept,failed,gone" doc:"Whether its bytes are here, or still to be fetched."`
	Reason    string  `json:"reason,omitempty" doc:"Why it failed, or is gone." example:"media_unavailable"`
	Origin    string  `json:"origin" enum:"upload,url,message"`
	Message   string  `json:"message,omitempty" format:"uuid" doc:"The message that it came in with."`
	MIME      string  `json:"mime,omitempty" doc:"What its bytes are." example:"image/jpeg"`
	Name      string  `json:"name,omitempty" example:"invoice.pdf"`
	Size      int64   `json:"size,omitempty" doc:"Bytes."`
	SHA256    string  `json:"sha256,omitempty" doc:"In hexadecimal digits."`
	Width     int     `json:"width,omitempty"`
	Height    int     `json:"height,omitempty"`
	Seconds   int     `json:"seconds,omitempty"`
	CreatedAt string  `json:"created_at" format:"date-time"`
	ExpiresAt *string `json:"expires_at" format:"date-time" nullable:"true" doc:"When it is deleted; null: never."`
	URL       string  `json:"url,omitempty" doc:"Where anybody can read it for some time, without a key. In the reply to reading one file only."`
}

func showFile(f *media.File) MediaReply {
	reply := MediaReply{
		ID: f.ID.String(), State: f.State.String(), Reason: f.Reason, Origin: string(f.Origin), Message: f.Message.String(), MIME: f.MIME, Name: f.Name,
		Size: f.Size, SHA256: f.SHA256, Width: f.Width, Height: f.Height, Seconds: f.Seconds, CreatedAt: showTime(f.ID.Time()), ExpiresAt: showMaybe(f.Expires),
	}
	return reply
}

var uploadKinds = map[string]bool{"": true, "image": true, "video": true, "audio": true, "voice": true, "document": true, "sticker": true}

// createMedia keeps a file. Its bytes are on disk before its row is.
func (s *server) createMedia(w http.ResponseWriter, r *http.Request) error {
	q, c := queryOf(r), api.CallerOf(r)
	kind, name := q.Get("kind"), q.Get("name")
	if !uploadKinds[kind] {
		return fault.New(fault.InvalidField, "kind is image, video, audio, voice, document or sticker").In("kind")
	}
	var taken media.File
	err := api.Upload(r, func(content io.Reader, own string) (err error) {
		if name == "" {
			name = own
		}
		taken, err = s.core.Media.Take(r.Context(), c.Account.ID, content, name, message.Type(kind))
		return err
	})
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		f, err := s.core.Media.Add(tx, taken)
		return showFile(&f), err
	})
}

// listMedia lists the account's files, newest first.
func (s *server) listMedia(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	return simple(s, w, r, "media", func(after int64, limit int) ([]media.File, error) {
		return s.core.Media.List(r.Context(), a, message.MediaID(after), limit)
	}, func(f *media.File) (MediaReply, int64) { return showFile(f), int64(f.ID) })
}

// readMedia shows one file.
func (s *server) readMedia(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[message.Media](r, "id")
	if err != nil {
		return err
	}
	f, err := s.core.Media.Get(r.Context(), api.CallerOf(r).Account.ID, at)
	if err != nil {
		return err
	}
	reply := showFile(&f)
	if f.State == media.Kept {
		reply.URL = s.core.Media.URL(f.ID, s.core.Store.Now())
	}
	return api.Reply(w, http.StatusOK, reply)
}

// readMediaContent writes a file.
func (s *server) readMediaContent(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[message.Media](r, "id")
	if err != nil {
		return err
	}
	f, content, err := s.core.Media.Read(r.Context(), api.CallerOf(r).Account.ID, at)
	if err != nil {
		return err
	}
	return writeMedia(w, r, &f, content)
}

// readFile writes a file to who has its link.
func (s *server) readFile(w http.ResponseWriter, r *http.Request) error {
	f, content, err := s.core.Media.Follow(r.Context(), r.PathValue("link"))
	if err != nil {
		return err
	}
	return writeMedia(w, r, &f, content)
}

// writeMedia writes bytes that others made: no browser may take them for a page of ours.
func writeMedia(w http.ResponseWriter, r *http.Request, f *media.File, content io.ReadSeekCloser) error {
	defer func() { _ = content.Close() }()
	h := w.Header()
	h.Set("Content-Type", f.MIME)
	h.Set("Content-Disposition", "attachment")
	if named := mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}); f.Name != "" && named != "" {
		h.Set("Content-Disposition", named)
	}
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-site")
	h.Set("ETag", `"`+f.SHA256+`"`)
	http.ServeContent(api.Patient{ResponseWriter: w}, r, "", f.ID.Time(), content)
	return nil
}

// deleteMedia deletes a file. A message that waits to be sent with it will fail.
func (s *server) deleteMedia(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[message.Media](r, "id")
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusNoContent, func(tx *store.Tx) (any, error) { return nil, s.core.Media.Delete(tx, c.Account.ID, at) })
}
