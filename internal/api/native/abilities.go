package native

import (
	"fmt"
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

func (s *server) abilityOperations() []operation {
	return []operation{
		op[IDInput, output[groupsReply]]("GET /devices/{id}/groups", account.MessagesRead, "listGroups", "List the groups that a device is in", s.listGroups),
		op[groupInput, output[groupReply]]("GET /devices/{id}/groups/{group}", account.MessagesRead, "readGroup", "Read one of them", s.readGroup),
		op[IDInput, output[peopleReply]]("GET /devices/{id}/contacts", account.MessagesRead, "listDeviceContacts", "List everybody a device knows", s.listPeople),
		op[checkInput, output[checkReply]]("POST /devices/{id}/check", account.MessagesSend, "checkNumbers", "Ask which numbers have an account of the network", s.checkNumbers),
		op[typingInput, nothing]("POST /devices/{id}/typing", account.MessagesSend, "showTyping", "Show somebody that we write", s.showTyping).answers(204),
		op[readInput, nothing]("POST /devices/{id}/read", account.MessagesSend, "markRead", "Tell the writer that messages were read", s.markRead).answers(204),
	}
}

// maxChecked is how many numbers one request may ask about.
const maxChecked = 50

type (
	groupInput struct {
		IDInput
		Group string `path:"group" doc:"The address of a group, with or without group: before it."`
	}
	checkInput struct {
		IDInput
		Body checkRequest
	}
	typingInput struct {
		IDInput
		Body typingRequest
	}
	readInput struct {
		IDInput
		Body readRequest
	}
)

// PersonReply is what a network tells about somebody. Any part may be missing.
type PersonReply struct {
	Phone    string `json:"phone,omitempty"`
	LID      string `json:"lid,omitempty"`
	Name     string `json:"name,omitempty" doc:"As the account's own address book calls them."`
	PushName string `json:"push_name,omitempty" doc:"As they call themselves."`
	Business string `json:"business,omitempty" doc:"The verified name of a business."`
}

func showPerson(p message.Person) PersonReply {
	return PersonReply{Phone: p.Phone.Value, LID: p.LID.Value, Name: p.Name, PushName: p.PushName, Business: p.Business}
}

// peopleReply is everybody a device knows.
type peopleReply struct {
	Items []PersonReply `json:"items" nullable:"false"`
}

// groupReply is a group.
type groupReply struct {
	Address      string        `json:"address" doc:"Send to it." example:"group:120363025246125486"`
	Name         string        `json:"name"`
	Topic        string        `json:"topic"`
	Owner        PersonReply   `json:"owner"`
	Locked       bool          `json:"locked" doc:"Only admins change name and topic."`
	Announce     bool          `json:"announce" doc:"Only admins write."`
	Ephemeral    int64         `json:"ephemeral_seconds" doc:"After which messages vanish; 0: they stay."`
	CreatedAt    *string       `json:"created_at" format:"date-time" nullable:"true"`
	Participants []memberReply `json:"participants" nullable:"false"`
}

// memberReply is a member of a group.
type memberReply struct {
	PersonReply
	Admin bool `json:"admin"`
	Owner bool `json:"owner"`
}

// groupsReply is the groups that a device is in.
type groupsReply struct {
	Items []groupReply `json:"items" nullable:"false"`
}

func showGroup(g *channel.Group) groupReply {
	shown := groupReply{
		Address: g.Address.String(), Name: g.Name, Topic: g.Topic, Owner: showPerson(g.Owner), Locked: g.Locked, Announce: g.Announce,
		Ephemeral: int64(g.Ephemeral.Seconds()), CreatedAt: showMaybe(g.Created), Participants: make([]memberReply, len(g.Participants)),
	}
	for i, p := range g.Participants {
		shown.Participants[i] = memberReply{showPerson(p.Person), p.Admin, p.Owner}
	}
	return shown
}

func (s *server) listGroups(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ownDevice(r)
	if err != nil {
		return err
	}
	groups, err := s.core.Fleet.Groups(r.Context(), c)
	if err != nil {
		return err
	}
	reply := groupsReply{Items: make([]groupReply, len(groups))}
	for i := range groups {
		reply.Items[i] = showGroup(&groups[i])
	}
	return api.Reply(w, http.StatusOK, reply)
}

func (s *server) readGroup(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ownDevice(r)
	if err != nil {
		return err
	}
	at := message.ParseAddress(r.PathValue("group"))
	if at.Kind == message.Name {
		at.Kind = message.Group
	}
	if at.Kind != message.Group {
		return fault.New(fault.InvalidField, "this is no address of a group").In("group")
	}
	g, err := s.core.Fleet.Group(r.Context(), c, at)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showGroup(&g))
}

func (s *server) listPeople(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ownDevice(r)
	if err != nil {
		return err
	}
	people, err := s.core.Fleet.People(r.Context(), c)
	if err != nil {
		return err
	}
	reply := peopleReply{Items: make([]PersonReply, len(people))}
	for i, p := range people {
		reply.Items[i] = showPerson(p)
	}
	return api.Reply(w, http.StatusOK, reply)
}

// checkRequest is numbers to ask about.
type checkRequest struct {
	Phones []string `json:"phones" minItems:"1" maxItems:"50" nullable:"false"`
}

// checkReply is what the network says about each, in order.
type checkReply struct {
	Results []knownReply `json:"results" nullable:"false"`
}

// knownReply is whether a number has an account.
type knownReply struct {
	Phone  string      `json:"phone"`
	There  bool        `json:"there"`
	Person PersonReply `json:"person"`
}

func (s *server) checkNumbers(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ownDevice(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[checkRequest](r)
	if err != nil {
		return err
	}
	if len(in.Phones) == 0 || len(in.Phones) > maxChecked {
		return fault.New(fault.InvalidField, "1 to %d numbers", maxChecked).In("phones")
	}
	phones := make([]message.Address, len(in.Phones))
	for i, text := range in.Phones {
		if phones[i], err = message.ParsePhone(text, api.CallerOf(r).Account.Region); err != nil {
			return fault.Of(err).In(fmt.Sprintf("phones[%d]", i))
		}
	}
	known, err := s.core.Fleet.Check(r.Context(), c, phones)
	if err != nil {
		return err
	}
	reply := checkReply{Results: make([]knownReply, len(known))}
	for i, k := range known {
		reply.Results[i] = knownReply{Phone: k.Phone.Value, There: k.There, Person: showPerson(k.Person)}
	}
	return api.Reply(w, http.StatusOK, reply)
}

// typingRequest is what a chat shows of us.
type typingRequest struct {
	To    string `json:"to" example:"+254701234567"`
	State string `json:"state" enum:"text,voice,off"`
}

func (s *server) showTyping(w http.ResponseWriter, r *http.Request) error {
	return s.withDevice(w, r, func(c connection.Channel) error {
		in, err := api.Decode[typingRequest](r)
		if err != nil {
			return err
		}
		to, err := somebody(in.To, api.CallerOf(r).Account.Region, "to")
		if err != nil {
			return err
		}
		state := channel.Typing(in.State)
		if state != channel.TypingText && state != channel.TypingVoice && state != channel.TypingOff {
			return fault.New(fault.InvalidField, "a state is text, voice or off").In("state")
		}
		return s.core.Fleet.Typing(r.Context(), c, to, state)
	})
}

// readRequest is messages of one chat that were read.
type readRequest struct {
	From  string   `json:"from" doc:"Who wrote them." example:"+254701234567"`
	Group string   `json:"group,omitempty" doc:"The group they were written in."`
	IDs   []string `json:"remote_ids" minItems:"1" maxItems:"100" nullable:"false" doc:"The network's ids."`
}

func (s *server) markRead(w http.ResponseWriter, r *http.Request) error {
	return s.withDevice(w, r, func(c connection.Channel) error {
		in, err := api.Decode[readRequest](r)
		if err != nil {
			return err
		}
		region := api.CallerOf(r).Account.Region
		from, err := somebody(in.From, region, "from")
		if err != nil {
			return err
		}
		var group message.Address
		if in.Group != "" {
			if group, err = somebody(in.Group, region, "group"); err != nil {
				return err
			}
		}
		if len(in.IDs) == 0 || len(in.IDs) > 100 {
			return fault.New(fault.InvalidField, "1 to 100 ids").In("remote_ids")
		}
		return s.core.Fleet.MarkRead(r.Context(), c, from, group, in.IDs)
	})
}

// somebody reads a phone number, or an address such as lid:99 or group:12.
func somebody(text, region, field string) (message.Address, error) {
	a := message.ParseAddress(text)
	if a.Kind == message.LID || a.Kind == message.Group {
		return a, nil
	}
	a, err := message.ParsePhone(text, region)
	if err != nil {
		return a, fault.Of(err).In(field)
	}
	return a, nil
}
