package native

import (
	"net/http"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/privacy"
	"tidings.dev/internal/store"
)

func (s *server) privacyOperations() []operation {
	return []operation{
		op[input[exportRequest], output[ExportReply]]("POST /exports", account.Admin, "createExport", "Take the account's data away, or those about one person", s.createExport).answers(202).once(),
		op[PageInput, output[page[ExportReply]]]("GET /exports", account.Admin, "listExports", "List exports", s.listExports),
		op[IDInput, output[ExportReply]]("GET /exports/{id}", account.Admin, "readExport", "Tell how far an export is", s.readExport),
		op[IDInput, fileOutput]("GET /exports/{id}/file", account.Admin, "readExportFile", "Read the file of an export", s.readExportFile),
		op[input[erasureRequest], output[ErasureReply]]("POST /erasures", account.Admin, "createErasure", "Erase one person", s.createErasure).answers(202).once(),
		op[PageInput, output[page[ErasureReply]]]("GET /erasures", account.Admin, "listErasures", "List erasures", s.listErasures),
		op[IDInput, output[ErasureReply]]("GET /erasures/{id}", account.Admin, "readErasure", "Tell how far an erasure is", s.readErasure),
		op[linkInput, fileOutput]("GET /downloads/{link}", open, "download", "Read the file of an export by its link", s.download),
	}
}

type (
	linkInput struct {
		Link string `path:"link" doc:"As download_url shows it; good for 15 minutes."`
	}
	fileOutput struct {
		ContentType string `header:"Content-Type" doc:"application/gzip: JSON Lines under gzip."`
		Body        []byte `contentType:"application/gzip"`
	}
)

// exportRequest says whose data to export.
type exportRequest struct {
	Address string `json:"address,omitempty" doc:"Only what is kept about the person with this number; all of the account without it." example:"+254701234567"`
}

// ExportReply is an export.
type ExportReply struct {
	ID        string  `json:"id" format:"uuid"`
	Address   string  `json:"address,omitempty" doc:"The person it is about."`
	Status    string  `json:"status" enum:"running,done,failed"`
	Lines     int     `json:"lines" doc:"Written so far."`
	Size      int64   `json:"size" doc:"Bytes of the file so far."`
	URL       string  `json:"download_url,omitempty" doc:"Once it is done: the file, for 15 minutes, without a key."`
	CreatedAt string  `json:"created_at" format:"date-time"`
	EndedAt   *string `json:"ended_at" format:"date-time" nullable:"true"`
	ExpiresAt string  `json:"expires_at" format:"date-time" doc:"Then it is deleted."`
}

func showExport(e *privacy.Export) ExportReply {
	return ExportReply{
		ID: e.ID.String(), Address: e.Address.Display(), Status: string(e.State), Lines: e.Lines, Size: e.Size,
		CreatedAt: showTime(e.ID.Time()), EndedAt: showMaybe(e.Ended), ExpiresAt: showTime(e.Expires),
	}
}

// person reads the number of a person, or another address of theirs as it is shown.
func person(text, region string) (message.Address, error) {
	if a := message.ParseAddress(text); a.Value != "" && (a.Kind == message.LID || a.Kind == message.BSUID) {
		return a, nil
	}
	to, err := message.ParsePhone(text, region)
	if err != nil {
		return to, fault.New(fault.InvalidField, "there can be no such number").In("address")
	}
	return to, nil
}

// createExport begins an export, in the background.
func (s *server) createExport(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[exportRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	var of message.Address
	if in.Address != "" {
		if of, err = person(in.Address, c.Account.Region); err != nil {
			return err
		}
	}
	return api.Commit(w, r, http.StatusAccepted, func(tx *store.Tx) (any, error) {
		e, err := s.core.Privacy.StartExport(tx, c.By, c.Account.ID, of)
		return showExport(&e), err
	})
}

// listExports lists the account's exports, newest first.
func (s *server) listExports(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	return simple(s, w, r, "exports", func(after int64, limit int) ([]privacy.Export, error) {
		return s.core.Privacy.Exports(r.Context(), a, privacy.ExportID(after), limit)
	}, func(e *privacy.Export) (ExportReply, int64) { return showExport(e), int64(e.ID) })
}

// exportAt reads the export that the path names.
func (s *server) exportAt(r *http.Request) (e privacy.Export, err error) {
	at, err := pathID[privacy.Export](r, "id")
	if err != nil {
		return e, err
	}
	return s.core.Privacy.ReadExport(r.Context(), api.CallerOf(r).Account.ID, at)
}

// linkLife is how long a file can be read without a key.
const linkLife = 15 * time.Minute

// readExport shows one export, and a link to its file.
func (s *server) readExport(w http.ResponseWriter, r *http.Request) error {
	e, err := s.exportAt(r)
	if err != nil {
		return err
	}
	reply := showExport(&e)
	if e.State == privacy.Done {
		link, err := api.Link(s.core.Store, e.Account, int64(e.ID), linkLife)
		if err != nil {
			return err
		}
		reply.URL = s.kit.PublicURL() + base + "/downloads/" + link
	}
	return api.Reply(w, http.StatusOK, reply)
}

// readExportFile writes the file of an export.
func (s *server) readExportFile(w http.ResponseWriter, r *http.Request) error {
	e, err := s.exportAt(r)
	if err != nil {
		return err
	}
	return s.writeFile(w, r, e)
}

// download writes the file of an export to who has its link. A link that is over is like none.
func (s *server) download(w http.ResponseWriter, r *http.Request) error {
	a, which, err := api.OpenLink(s.core.Store, r.PathValue("link"))
	if err != nil {
		return err
	}
	e, err := s.core.Privacy.ReadExport(r.Context(), a, privacy.ExportID(which))
	if err != nil {
		return err
	}
	return s.writeFile(w, r, e)
}

func (s *server) writeFile(w http.ResponseWriter, r *http.Request, e privacy.Export) error {
	if e.State != privacy.Done {
		return fault.New(fault.NotHere, "the export is %s", e.State)
	}
	h := w.Header()
	h.Set("Content-Type", "application/gzip")
	h.Set("Content-Disposition", `attachment; filename="export-`+e.ID.String()+`.jsonl.gz"`)
	h.Set("Cache-Control", "no-store")
	return s.core.Privacy.WriteFile(r.Context(), api.Patient{ResponseWriter: w}, e)
}

// erasureRequest says whom to erase.
type erasureRequest struct {
	Address string `json:"address" doc:"The number of the person." example:"+254701234567"`
}

// ErasureReply is an erasure. It does not tell of whom.
type ErasureReply struct {
	ID        string  `json:"id" format:"uuid"`
	Mark      string  `json:"mark" doc:"What stands where the number stood." example:"erased:3f9a01c2d4e5"`
	Status    string  `json:"status" enum:"running,done"`
	Messages  int     `json:"messages" doc:"Erased so far."`
	Cancelled int     `json:"cancelled" doc:"Of those, the ones that had not gone out."`
	CreatedAt string  `json:"created_at" format:"date-time"`
	EndedAt   *string `json:"ended_at" format:"date-time" nullable:"true"`
}

func showErasure(e *privacy.Erasure) ErasureReply {
	return ErasureReply{
		ID: e.ID.String(), Mark: e.Mark.String(), Status: string(e.State), Messages: e.Messages, Cancelled: e.Cancelled,
		CreatedAt: showTime(e.ID.Time()), EndedAt: showMaybe(e.Ended),
	}
}

// createErasure begins to erase a person, in the background.
func (s *server) createErasure(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[erasureRequest](r)
	if err != nil {
		return err
	}
	if in.Address == "" {
		return fault.New(fault.MissingField, "an erasure is of somebody").In("address")
	}
	c := api.CallerOf(r)
	of, err := person(in.Address, c.Account.Region)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusAccepted, func(tx *store.Tx) (any, error) {
		e, err := s.core.Privacy.StartErasure(tx, c.By, c.Account.ID, of)
		return showErasure(&e), err
	})
}

// listErasures lists the account's erasures, newest first.
func (s *server) listErasures(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	return simple(s, w, r, "erasures", func(after int64, limit int) ([]privacy.Erasure, error) {
		return s.core.Privacy.Erasures(r.Context(), a, privacy.ErasureID(after), limit)
	}, func(e *privacy.Erasure) (ErasureReply, int64) { return showErasure(e), int64(e.ID) })
}

// readErasure shows one erasure.
func (s *server) readErasure(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[privacy.Erasure](r, "id")
	if err != nil {
		return err
	}
	e, err := s.core.Privacy.ReadErasure(r.Context(), api.CallerOf(r).Account.ID, at)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showErasure(&e))
}
