package device

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/api"
)

// The requests. Fields stand as the document has them.
type (
	tokenRequest struct {
		Token api.Text `json:"token" doc:"The device." sample:"my-token"`
	}
	startRequest struct {
		Token   api.Text  `json:"token"`
		Reject  api.Text  `json:"reject_call,omitempty" doc:"Y to reject calls."`
		Message api.Text  `json:"reject_message,omitempty" doc:"Sent to who called."`
		Exclude api.Texts `json:"reject_exclude_phone,omitempty" doc:"Numbers whose calls ring on."`
	}
	pairRequest struct {
		Token api.Text `json:"token"`
		Phone api.Text `json:"phone"`
	}
	sendRequest struct {
		Token    api.Text `json:"token"`
		Phone    api.Text `json:"phone" doc:"A number, or the JID of a group."`
		Message  api.Text `json:"message,omitempty"`
		FileURL  api.Text `json:"file_url,omitempty"`
		FileName api.Text `json:"file_name,omitempty"`
	}
	listRequest struct {
		Page      api.Text `json:"page,omitempty" sample:"1"`
		Limit     api.Text `json:"limit,omitempty" sample:"10"`
		Q         api.Text `json:"q,omitempty"`
		Workspace api.Text `json:"workspace,omitempty"`
	}
	webhookRequest struct {
		Token api.Text `json:"token"`
		URL   api.Text `json:"url"`
		Type  api.Text `json:"type,omitempty" doc:"all: what the phone's owner writes himself is told of, too. The original has a setting for it."`
	}
	workspaceRequest struct {
		Token     api.Text `json:"token"`
		Workspace api.Text `json:"workspace"`
	}
)

// The replies. Their fields are sorted by name, as the original's are.
type (
	failure struct {
		Error string `json:"error"`
	}
	started struct {
		Message string `json:"message"`
		Status  bool   `json:"status"`
	}
	qrReply struct {
		QRCode string `json:"qrcode"`
		Status bool   `json:"status"`
	}
	codeReply struct {
		Code string `json:"code"`
	}
	status struct {
		Data    *identity `json:"data"`
		Message string    `json:"message"`
		Name    string    `json:"name"`
		Phone   string    `json:"phone"`
		Pic     string    `json:"pic"`
		Status  bool      `json:"status"`
	}
	// identity is who a device is.
	identity struct {
		ID   string `json:"id"`
		LID  string `json:"lid"`
		Name string `json:"name"`
	}
	// sent is a message that was taken.
	sent struct {
		Data    sentData `json:"data"`
		Message string   `json:"message"`
		Phone   string   `json:"phone"`
		Status  bool     `json:"status"`
	}
	sentData struct {
		ID     string `json:"id"`
		Status bool   `json:"status"`
	}
	// unregistered is a message to somebody who is not on WhatsApp.
	unregistered struct {
		Data    []string `json:"data" nullable:"false"`
		Message string   `json:"message"`
		Phone   string   `json:"phone"`
		Status  bool     `json:"status"`
		Token   string   `json:"token"`
	}
	unsent struct {
		Message string `json:"message"`
		Status  bool   `json:"status"`
	}
	done struct {
		Status string `json:"status"`
	}
	devices struct {
		Data  []row `json:"data"`
		Limit int   `json:"limit"`
		Page  int   `json:"page"`
		Total int   `json:"total"`
	}
	row struct {
		JID       string `json:"jid"`
		Name      string `json:"name"`
		Token     string `json:"token"`
		Webhook   string `json:"webhook"`
		Workspace string `json:"workspace"`
	}
	webhookReply struct {
		Status string `json:"status"`
		URL    string `json:"url"`
	}
	workspaceReply struct {
		Status    bool   `json:"status"`
		Token     string `json:"token"`
		Workspace string `json:"workspace"`
	}
	workspaces struct {
		Data []string `json:"data"`
	}
)

// TransformSchema implements huma.SchemaTransformer: a device that is not connected has no identity.
func (status) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	data := huma.SchemaFromType(r, reflect.TypeFor[identity]())
	data.Nullable, data.AdditionalProperties = true, nil
	s.Properties["data"] = data
	return s
}

// contact is a person as the original's library tells of one.
type contact struct {
	Found         bool
	FirstName     string
	FullName      string
	PushName      string
	BusinessName  string
	RedactedPhone string
}

// group is a group as the original's library tells of one, and participant a member.
type (
	group struct {
		JID                    string
		OwnerJID               string
		OwnerPN                string
		Name                   string
		NameSetAt              string
		NameSetBy              string
		Topic                  string
		IsLocked               bool
		IsAnnounce             bool
		IsEphemeral            bool
		DisappearingTimer      int
		IsIncognito            bool
		IsParent               bool
		LinkedParentJID        string
		IsDefaultSubGroup      bool
		IsJoinApprovalRequired bool
		GroupCreated           string
		ParticipantCount       int
		Participants           []participant `nullable:"false"`
		MemberAddMode          string
		Suspended              bool
	}
	participant struct {
		JID          string
		PhoneNumber  string
		LID          string
		IsAdmin      bool
		IsSuperAdmin bool
		DisplayName  string
		Error        int
	}
)

// Examples of replies.
var (
	qrReplies   = api.Example{Status: 200, When: "not logged in", Body: qrReply{"data:image/png;base64,...", true}}
	statusReply = api.Example{Status: 200, When: "logged in or not", Body: status{&identity{"628123456789:1@s.whatsapp.net", "", "User Name"}, "AUTHENTICATED", "User Name", "628123456789", "https://...", true}}
	sendReplies = []api.Example{
		{Status: 200, When: "taken", Body: sent{sentData{"3EB0C127D7BACC83D6A1", true}, "Terkirim", "628123456789", true}},
		{Status: 200, When: "not on WhatsApp", Body: unregistered{[]string{}, "Belum Terdaftar", "628123456789", false, "my-token"}},
		{Status: 200, When: "the recipient wants none", Body: unsent{"the recipient does not want messages", false}},
		{Status: 413, When: "too large", Body: failure{"the body is larger than 1048576 bytes"}},
		{Status: 500, When: "not sent", Body: unsent{"client not logged in", false}},
	}
)
