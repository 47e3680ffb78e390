package whatsapp_test

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/simulator/whatsapp"
)

// TestEveryKindOfContent sends each kind from a phone, and what the client reads is what was sent.
func TestEveryKindOfContent(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	file := []byte("a file of some kind")
	made := func(m *waE2E.Message, err error) *waE2E.Message {
		must(t, err)
		return m
	}
	for _, row := range []struct {
		kind, media, text string
		content           *waE2E.Message
	}{
		{"text", "", "Words", whatsapp.Text("Words")},
		{"media", "image", "A picture", made(s.Image(file, "image/jpeg", "A picture"))},
		{"media", "video", "A film", made(s.Video(file, "video/mp4", "A film"))},
		{"media", "ptt", "", made(s.Audio(file, "audio/ogg; codecs=opus", true))},
		{"media", "audio", "", made(s.Audio(file, "audio/mpeg", false))},
		{"media", "document", "The bill", made(s.Document(file, "application/pdf", "bill.pdf", "The bill"))},
		{"media", "sticker", "", made(s.Sticker(file))},
		{"media", "location", "The shop", whatsapp.Location(-1.3, 36.8, "The shop", "Nairobi")},
		{"media", "vcard", "Anna", whatsapp.Card("Anna", "BEGIN:VCARD\nEND:VCARD")},
		{"poll", "", "Tea?", whatsapp.Poll("Tea?", 1, "Yes", "No")},
	} {
		id, err := p.Send(business, row.content)
		must(t, err)
		e := c.heard(id)
		equal(t, "type", e.Info.Type, row.kind)
		equal(t, "media type", e.Info.MediaType, row.media)
		if media := whatsapp.Media(e.Message); media != nil {
			got, err := c.Download(t.Context(), media)
			must(t, err)
			if !bytes.Equal(got, file) {
				t.Errorf("%s is another file", row.media)
			}
		}
		_, err = c.SendMessage(t.Context(), p.JID(), e.Message)
		must(t, err)
		back := next(t, p)
		equal(t, "kind", back.Kind == row.kind || row.media == "location", true) // the library calls a place a text
		equal(t, "text", back.Text(), row.text)
	}
}

// TestWhatRefersToAMessage is a reply, a reaction, an edit and a deletion, in both directions.
func TestWhatRefersToAMessage(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	sent := c.text(p.JID(), "Question")
	m := next(t, p)

	id, err := p.Reply(m, "Answer")
	must(t, err)
	reply := c.heard(id)
	equal(t, "quoted", reply.Message.GetExtendedTextMessage().GetContextInfo().GetStanzaID(), sent)
	id, err = p.React(m, "👍")
	must(t, err)
	equal(t, "reacted to", c.heard(id).Message.GetReactionMessage().GetKey().GetID(), sent)
	first, err := p.Send(business, whatsapp.Text("Tpyo"))
	must(t, err)
	c.heard(first)
	id, err = p.Edit(first, "Typo")
	must(t, err)
	edit := c.heard(id)
	equal(t, "is an edit", edit.IsEdit, true)
	equal(t, "edited", edit.Message.GetProtocolMessage().GetKey().GetID(), first)
	id, err = p.Revoke(first)
	must(t, err)
	equal(t, "deleted", c.heard(id).Message.GetProtocolMessage().GetKey().GetID(), first)

	chat := reply.Info.Chat
	for _, row := range []struct {
		content *waE2E.Message
		kind    string
		edit    string
	}{
		{c.BuildReaction(chat, chat, reply.Info.ID, "❤"), "reaction", ""},
		{c.BuildReaction(chat, chat, reply.Info.ID, ""), "reaction", "7"},
		{c.BuildEdit(chat, sent, whatsapp.Text("Another question")), "text", "1"},
		{c.BuildRevoke(chat, types.EmptyJID, sent), "text", "7"},
	} {
		_, err := c.SendMessage(t.Context(), chat, row.content)
		must(t, err)
		got := next(t, p)
		equal(t, "kind", got.Kind, row.kind)
		equal(t, "edit", got.Edit, row.edit)
	}
}

func TestPollVotes(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	for _, by := range []whatsapp.Addressing{whatsapp.ByLID, whatsapp.ByNumber} {
		p.Address(by)
		_, err := c.SendMessage(t.Context(), p.JID(), c.BuildPollCreation("Lunch?", []string{"Rice", "Beans"}, 1))
		must(t, err)
		poll := next(t, p)
		id, err := p.Vote(poll, "Beans")
		must(t, err)
		vote, err := c.DecryptPollVote(t.Context(), c.heard(id))
		must(t, err)
		want := sha256.Sum256([]byte("Beans"))
		if len(vote.SelectedOptions) != 1 || !bytes.Equal(vote.SelectedOptions[0], want[:]) {
			t.Errorf("the client reads the vote %x", vote.SelectedOptions)
		}
	}
	p.Address(whatsapp.ByLID)
	id, err := p.Send(business, whatsapp.Poll("Tea?", 1, "Yes", "No"))
	must(t, err)
	ballot, err := c.BuildPollVote(t.Context(), &c.heard(id).Info, []string{"Yes"})
	must(t, err)
	_, err = c.SendMessage(t.Context(), p.LID(), ballot)
	must(t, err)
	got, err := p.Choices(next(t, p))
	must(t, err)
	want := sha256.Sum256([]byte("Yes"))
	if len(got) != 1 || !bytes.Equal(got[0], want[:]) {
		t.Errorf("the phone reads the vote %x", got)
	}
}

// TestRetries fails to decrypt on either side: the message is asked for again and can be read then.
func TestRetries(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	p.FailDecrypt(1)
	id := c.text(p.JID(), "Say again")
	got := next(t, p)
	equal(t, "id", got.ID, id)
	equal(t, "text", got.Text(), "Say again")
	equal(t, "retries", got.Retries, 1)

	owner := s.Phone(business)
	owner.FailDecrypt(1) // its own copy
	c.text(p.JID(), "Said once")
	equal(t, "text", next(t, p).Text(), "Said once")
	must(t, owner.Await(soon(t), func() bool { return len(owner.Copies()) == 2 }))
	equal(t, "copied for", owner.Copies()[1].To, customer)

	id, err := p.SendBroken(business, whatsapp.Text("Broken"))
	must(t, err)
	equal(t, "undecryptable", await[*events.UndecryptableMessage](c, nil).Info.ID, id)
	e := c.heard(id)
	equal(t, "text", e.Message.GetConversation(), "Broken")
	equal(t, "retries", e.RetryCount, 1)
}

func TestPlayedAndManyRead(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	a, b := c.text(p.JID(), "One"), c.text(p.JID(), "Two")
	next(t, p)
	next(t, p)
	must(t, p.Read(a, b))
	equal(t, "ids", len(await(c, func(e *events.Receipt) bool { return e.Type == types.ReceiptTypeRead }).MessageIDs), 2)
	must(t, p.Played(b))
	equal(t, "played", await(c, func(e *events.Receipt) bool { return e.Type == types.ReceiptTypePlayed }).MessageIDs[0], b)
	if p.Read("nothing") == nil {
		t.Error("a message that is not there is read")
	}
}

func TestBlockedAndOffline(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	p.Block(business)
	c.text(p.JID(), "Blocked")
	p.Unblock(business)
	p.Offline()
	if _, err := p.Send(business, whatsapp.Text("x")); err == nil {
		t.Error("a phone that is offline sends")
	}
	for _, text := range []string{"One", "Two"} {
		c.text(p.JID(), text)
	}
	equal(t, "received", len(p.Received()), 0)
	p.Online()
	equal(t, "first", next(t, p).Text(), "One")
	equal(t, "second", next(t, p).Text(), "Two")

	_, err := c.UpdateBlocklist(t.Context(), p.JID(), events.BlocklistChangeActionBlock)
	must(t, err)
	list, err := c.GetBlocklist(t.Context())
	must(t, err)
	equal(t, "blocked", len(list.JIDs), 1)
	id, err := p.Send(business, whatsapp.Text("Do you hear me?"))
	must(t, err)
	must(t, s.Phone("254733000004").Await(soon(t), func() bool { return true }))
	for _, r := range p.Receipts() {
		if r.ID == id {
			t.Error("a blocked phone's message is delivered")
		}
	}
}

func TestPeople(t *testing.T) {
	s := start(t, whatsapp.Config{})
	owner := s.Phone(business)
	c, _ := link(t, s, owner)
	p := s.Phone(customer)
	p.SetAbout("Busy")
	p.SetBusiness("Shop Ltd")
	there, err := c.IsOnWhatsApp(t.Context(), []string{"+" + customer, "+254711009913", "+12"})
	must(t, err)
	equal(t, "is there", there[0].IsIn, true)
	equal(t, "query", there[0].Query, "+"+customer)
	equal(t, "LID", there[0].JID, p.LID())
	equal(t, "verified name", there[0].VerifiedName.Details.GetVerifiedName(), "Shop Ltd")
	equal(t, "is nobody", there[1].IsIn || there[2].IsIn, false)
	info, err := c.GetUserInfo(t.Context(), []types.JID{p.JID()})
	must(t, err)
	equal(t, "about", info[p.JID()].Status, "Busy")
	if _, err := c.SendMessage(t.Context(), types.NewJID("254711009913", types.DefaultUserServer), whatsapp.Text("x")); err == nil {
		t.Error("a message to nobody is taken")
	}

	_, err = c.GetProfilePictureInfo(t.Context(), p.JID(), nil)
	equal(t, "no picture", err != nil, true)
	p.SetPicture([]byte("jpeg"))
	await[*events.Picture](c, nil)
	picture, err := c.GetProfilePictureInfo(t.Context(), p.JID(), nil)
	must(t, err)
	body, err := c.DownloadMediaWithOnlyPath(t.Context(), picture.DirectPath)
	must(t, err)
	equal(t, "picture", string(body), "jpeg")
	profile, err := c.GetBusinessProfile(t.Context(), p.JID())
	must(t, err)
	equal(t, "address", profile.Address, "Shop Ltd Street 1")

	owner.Contact(customer, "Cora Customer")
	equal(t, "contact", await[*events.Contact](c, nil).Action.GetFullName(), "Cora Customer")
	known, err := c.Store.Contacts.GetContact(t.Context(), p.JID())
	must(t, err)
	equal(t, "name", known.FullName, "Cora Customer")

	// The same person under another number.
	must(t, p.ChangeNumber("254799000009"))
	id, err := p.Send(business, whatsapp.Text("New number"))
	must(t, err)
	e := c.heard(id)
	equal(t, "chat", e.Info.Chat, p.LID())
	equal(t, "number", e.Info.SenderAlt.User, "254799000009")
	there, err = c.IsOnWhatsApp(t.Context(), []string{"+" + customer, "+254799000009"})
	must(t, err)
	equal(t, "old", there[0].IsIn, false)
	equal(t, "new", there[1].IsIn, true)
}

func TestAddressing(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	for _, row := range []struct {
		by          whatsapp.Addressing
		sender, alt types.JID
	}{
		{whatsapp.ByLIDOnly, p.LID(), types.EmptyJID},
		{whatsapp.ByNumber, p.JID(), p.LID()},
		{whatsapp.ByLID, p.LID(), p.JID()},
	} {
		p.Address(row.by)
		id, err := p.Send(business, whatsapp.Text("Who am I?"))
		must(t, err)
		e := c.heard(id)
		equal(t, "sender", e.Info.Sender, row.sender)
		equal(t, "alternative", e.Info.SenderAlt, row.alt)
	}
}

func TestAppState(t *testing.T) {
	s := start(t, whatsapp.Config{})
	owner := s.Phone(business)
	c, _ := link(t, s, owner)
	p := s.Phone(customer)
	must(t, c.SendAppState(t.Context(), appstate.BuildMute(p.JID(), true, time.Hour)))
	must(t, owner.Await(soon(t), func() bool { return len(owner.Mutations()) == 1 }))
	equal(t, "mutation", owner.Mutations()[0][0], "mute")
	owner.Rename("Acme Two")
	await(c, func(e *events.PushNameSetting) bool { return e.Action.GetName() == "Acme Two" })

	// Two devices of the account: what one changes, the other hears.
	other, _ := link(t, s, owner)
	must(t, other.SendAppState(t.Context(), appstate.BuildPin(p.JID(), true)))
	await[*events.Pin](c, nil)
}

func TestHistory(t *testing.T) {
	s := start(t, whatsapp.Config{})
	owner := s.Phone(business)
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	owner.Remember(whatsapp.Conversation{With: customer, Messages: []whatsapp.PastMessage{
		{ID: "P1", Mine: true, Time: past, Content: whatsapp.Text("Long ago")},
		{ID: "P2", Time: past.Add(time.Minute), Content: whatsapp.Text("And an answer")},
	}})
	c, _ := link(t, s, owner)
	e := await(c, func(e *events.HistorySync) bool {
		return e.Data.GetSyncType() == waHistorySync.HistorySync_INITIAL_BOOTSTRAP
	})
	conversation := e.Data.GetConversations()[0]
	chat, err := types.ParseJID(conversation.GetID())
	must(t, err)
	equal(t, "chat", chat, s.Phone(customer).LID())
	for i, id := range []string{"P2", "P1"} {
		m, err := c.ParseWebMessage(chat, conversation.GetMessages()[i].GetMessage())
		must(t, err)
		equal(t, "id", m.Info.ID, id)
		equal(t, "mine", m.Info.IsFromMe, id == "P1")
	}
	_, err = c.SendPeerMessage(t.Context(), c.BuildHistorySyncRequest(&types.MessageInfo{
		ID: "P2", MessageSource: types.MessageSource{Chat: chat}, Timestamp: past,
	}, 50))
	must(t, err)
	e = await(c, func(e *events.HistorySync) bool { return e.Data.GetSyncType() == waHistorySync.HistorySync_ON_DEMAND })
	equal(t, "older messages", len(e.Data.GetConversations()[0].GetMessages()), 1)
}

func TestMediaIsUploadedAgain(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	image, err := s.Image([]byte("picture"), "image/png", "")
	must(t, err)
	id, err := s.Phone(customer).Send(business, image)
	must(t, err)
	e := c.heard(id)
	s.ExpireMedia(404)
	must(t, c.SendMediaRetryReceipt(t.Context(), &e.Info, e.Message.GetImageMessage().GetMediaKey()))
	retry, err := whatsmeow.DecryptMediaRetryNotification(await[*events.MediaRetry](c, nil), e.Message.GetImageMessage().GetMediaKey())
	must(t, err)
	e.Message.GetImageMessage().DirectPath = retry.DirectPath
	got, err := c.Download(t.Context(), e.Message.GetImageMessage())
	must(t, err)
	equal(t, "file", string(got), "picture")

	s.FailUploads(1, 507)
	if _, err := c.Upload(t.Context(), []byte("x"), whatsmeow.MediaImage); err == nil {
		t.Error("an upload that should fail does not")
	}
	_, err = c.Upload(t.Context(), []byte("x"), whatsmeow.MediaImage)
	must(t, err)
}

func TestCalls(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	call, err := p.Call(business, false)
	must(t, err)
	offer := await[*events.CallOffer](c, nil)
	equal(t, "call", offer.CallID, call.ID)
	equal(t, "caller", offer.CallCreatorAlt, p.JID())
	must(t, c.RejectCall(t.Context(), offer.From, offer.CallID))
	must(t, call.AwaitRejected(soon(t)))
	await[*events.CallTerminate](c, nil)
	call, err = p.Call(business, true)
	must(t, err)
	call.HangUp()
	equal(t, "hung up", await[*events.CallTerminate](c, nil).CallID, call.ID)
	must(t, d.AwaitSettled(soon(t)))
}

func TestPresence(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	must(t, c.SendPresence(t.Context(), types.PresenceAvailable))
	must(t, c.SubscribePresence(t.Context(), p.JID()))
	equal(t, "online", await[*events.Presence](c, nil).Unavailable, false)
	equal(t, "available", d.Available(), true)
	p.Present(false)
	equal(t, "offline", await[*events.Presence](c, nil).Unavailable, true)
	must(t, c.SendChatPresence(t.Context(), p.JID(), types.ChatPresenceComposing, types.ChatPresenceMediaText))
	must(t, p.Await(soon(t), func() bool { return len(p.Typings()) == 1 }))
	equal(t, "state", p.Typings()[0].State, "composing")
	must(t, p.Typing(business, true))
	equal(t, "typing", await[*events.ChatPresence](c, nil).State, types.ChatPresenceComposing)
}

// TestTwoClients lets two real clients write to each other.
func TestTwoClients(t *testing.T) {
	s := start(t, whatsapp.Config{})
	a, _ := link(t, s, s.Phone(business))
	b, _ := link(t, s, s.Phone(customer))
	id := a.text(s.Phone(customer).JID(), "To a client")
	e := b.heard(id)
	equal(t, "text", e.Message.GetConversation(), "To a client")
	equal(t, "chat", e.Info.Chat, s.Phone(business).LID())
	must(t, b.MarkRead(t.Context(), []string{id}, e.Info.Timestamp, e.Info.Chat, e.Info.Sender))
	await(a, func(e *events.Receipt) bool { return e.Type == types.ReceiptTypeRead })
	back := b.text(s.Phone(business).JID(), "And back")
	equal(t, "text", a.heard(back).Message.GetConversation(), "And back")

	second, _ := link(t, s, s.Phone(business)) // another device of the first
	id = second.text(s.Phone(customer).JID(), "From my other one")
	equal(t, "from me", a.heard(id).Info.IsFromMe, true)
	id, err := s.Phone(business).Send(customer, whatsapp.Text("From the telephone"))
	must(t, err)
	mine := a.heard(id)
	equal(t, "from me", mine.Info.IsFromMe, true)
	equal(t, "chat", mine.Info.Chat, s.Phone(customer).LID())
}

// TestEndings has strangers do as their numbers' last digits say.
func TestEndings(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	send := func(number string) (string, error) {
		sent, err := c.SendMessage(t.Context(), types.NewJID(number, types.DefaultUserServer), whatsapp.Text("Hello"), whatsmeow.SendRequestExtra{
			Timeout: 3 * time.Second,
		})
		return sent.ID, err
	}
	receipt := func(id string, kind types.ReceiptType) {
		t.Helper()
		await(c, func(e *events.Receipt) bool { return e.MessageIDs[0] == id && e.Type == kind })
	}
	id, err := send("254711000100")
	must(t, err)
	receipt(id, types.ReceiptTypeDelivered)
	receipt(id, types.ReceiptTypeRead)

	for _, number := range []string{"254711009901", "254711009904"} {
		id, err := send(number)
		must(t, err)
		p, has := s.Stranger(number), map[string]int{"254711009904": 1}[number]
		must(t, p.Await(soon(t), func() bool { return len(p.Received()) == has }))
		must(t, d.AwaitSettled(soon(t)))
		for _, r := range s.History() {
			if r.Op == whatsapp.OpReceipt && r.ID == id {
				t.Errorf("%s says %q", number, r.Kind)
			}
		}
	}
	_, err = send("254711009902")
	equal(t, "refused", err != nil, true)
	for i := range 3 {
		_, err = send("254711009903")
		equal(t, "throttled", err != nil, i < 2)
	}
	id, err = send("254711009907")
	must(t, err)
	for range 2 {
		receipt(id, types.ReceiptTypeDelivered)
	}
	id, err = send("254711009905")
	must(t, err)
	receipt(id, types.ReceiptTypeDelivered)
	id, err = send("254711009908") // the library sends it again by itself
	must(t, err)
	receipt(id, types.ReceiptTypeDelivered)
	for number, text := range map[string]string{"254711009910": "Reply to: Hello", "254711009911": "STOP"} {
		_, err := send(number)
		must(t, err)
		await(c, func(e *events.Message) bool { return e.Message.GetConversation() == text })
	}
	if _, err = send("254711009913"); err == nil {
		t.Error("somebody who is not there gets a message")
	}
}
