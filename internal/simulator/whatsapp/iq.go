package whatsapp

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waVnameCert"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// answer is what an info query gets: children of the result, or a number that says why not.
type answer struct {
	content []node
	code    int
	text    string
}

func result(content ...node) answer { return answer{content: content} }

func refusal(code int, text string) answer { return answer{code: code, text: text} }

// iq answers an info query. Each gets an answer: without one the library waits 75 seconds.
func (s *Server) iq(c *conn, n *node) {
	switch text(n, "type") {
	case "result", "error":
		c.paired(n)
		return
	}
	a := s.query(c, n)
	reply := node{Tag: "iq", Attrs: attrs{"from": types.ServerJID, "id": text(n, "id"), "type": "result"}, Content: a.content}
	if to := jid(n, "to"); !to.IsEmpty() {
		reply.Attrs["from"] = to
	}
	if a.code != 0 {
		reply.Attrs["type"] = "error"
		reply.Content = []node{{Tag: "error", Attrs: attrs{"code": strconv.Itoa(a.code), "text": a.text}}}
	}
	c.send(reply)
	if has(n, "remove-companion-device") {
		s.after(s.config.Linger, c.finish)
	}
}

// query finds who answers, by the namespace.
func (s *Server) query(c *conn, n *node) answer {
	space := text(n, "xmlns")
	switch {
	case space == "w:p": // keep-alive
		return result()
	case space == "md" && has(n, "link_code_companion_reg"):
		return s.linkCode(c, n)
	case c.device == nil:
		return refusal(401, "not-authorized")
	}
	d := c.device
	switch space {
	case "passive", "urn:xmpp:whatsapp:push", "urn:xmpp:whatsapp:dirty", "disappearing_mode":
		return result()
	case "status":
		return s.setAbout(d, n)
	case "encrypt":
		return s.encryption(d, n)
	case "usync":
		return s.usync(d, n)
	case "privacy":
		return s.privacy(n)
	case "blocklist":
		return s.blocklist(d, n)
	case "w:profile:picture":
		return s.profilePicture(d, n)
	case "w:m":
		return s.media.connection()
	case "w:g2":
		return s.group(d, n)
	case "w:biz":
		return s.businessProfile(n)
	case "w:sync:app:state":
		return d.phone.syncState(d, n)
	case "md":
		return s.logOut(d)
	}
	return refusal(501, "feature-not-implemented")
}

// encryption is about keys: how many are left, new ones, and those of others.
func (s *Server) encryption(d *Device, n *node) answer {
	if has(n, "key") {
		return s.bundles(n)
	}
	s.mu.Lock()
	if has(n, "count") {
		defer s.mu.Unlock()
		count := len(d.keys)
		if s.config.FewKeys {
			count = max(count, 1) // the library makes 812 for a server that has none
		}
		return result(node{Tag: "count", Attrs: attrs{"value": strconv.Itoa(count)}})
	}
	err := d.upload(n)
	greet := err == nil && !d.greeted
	d.greeted = d.greeted || greet
	s.mu.Unlock()
	if err != nil {
		return refusal(400, err.Error())
	}
	if greet {
		d.phone.greet(d)
	}
	return result()
}

// bundles gives out what is needed to start sessions.
func (s *Server) bundles(n *node) answer {
	request := n.GetChildByTag("key")
	list := node{Tag: "list"}
	var users []node
	for _, user := range request.GetChildren() {
		name := jid(&user, "jid")
		content := s.bundleOf(name)
		if content == nil {
			content = []node{{Tag: "error", Attrs: attrs{"code": "406", "text": "not-acceptable"}}}
		}
		users = append(users, node{Tag: "user", Attrs: attrs{"jid": name}, Content: content})
	}
	list.Content = users
	return result(list)
}

func (s *Server) bundleOf(name types.JID) []node {
	s.mu.Lock()
	p := s.find(name)
	if p == nil {
		s.mu.Unlock()
		return nil
	}
	if d := p.devices[name.Device]; d != nil {
		defer s.mu.Unlock()
		return d.bundleNodes()
	}
	h := p.handset(name.Device)
	s.mu.Unlock()
	if h == nil {
		return nil
	}
	return h.bundle()
}

// handset finds a simulated device by its number. The caller holds the server's lock.
func (p *Phone) handset(number uint16) *handset {
	for _, h := range p.handsets {
		if h.number == number {
			return h
		}
	}
	return nil
}

// usync looks people up: whether they are there, their devices, LIDs, pictures, texts and business names.
func (s *Server) usync(d *Device, n *node) answer {
	request, list := n.GetChildByTag("usync", "query"), n.GetChildByTag("usync", "list")
	s.mu.Lock()
	defer s.mu.Unlock()
	var users []node
	for _, user := range list.GetChildren() {
		name := jid(&user, "jid")
		asked := octets(&user, "contact")
		if name.IsEmpty() {
			number, _, _ := strings.Cut(string(asked), "@")
			name = types.NewJID(strings.TrimPrefix(number, "+"), types.DefaultUserServer)
		}
		users = append(users, s.lookUp(d, name, asked, request.GetChildren()))
	}
	return result(node{Tag: "usync", Attrs: attrs{"sid": text(n, "id"), "index": "0", "last": "true", "mode": "query"}, Content: []node{
		{Tag: "result"}, {Tag: "list", Content: users},
	}})
}

// lookUp answers one person's part of usync. The caller holds the lock.
func (s *Server) lookUp(d *Device, name types.JID, asked []byte, wanted []node) node {
	user := node{Tag: "user", Attrs: attrs{"jid": name.ToNonAD()}}
	p := s.find(name)
	var content []node
	for i := range wanted {
		if wanted[i].Tag == "contact" {
			kind := "out"
			if p != nil {
				kind = "in"
			}
			if p != nil && text(&wanted[i], "addressing_mode") == "lid" {
				user.Attrs["jid"], user.Attrs["pn_jid"] = p.lid, p.numbered()
			}
			content = append(content, node{Tag: "contact", Attrs: attrs{"type": kind}, Content: asked})
			continue
		}
		if p != nil {
			content = append(content, p.detail(d, wanted[i].Tag)...)
		}
	}
	user.Content = content
	return user
}

// detail is what one kind of question finds out about a phone. The caller holds the server's lock.
func (p *Phone) detail(asking *Device, kind string) []node {
	switch kind {
	case "devices":
		p.known[asking] = true
		var devices []node
		for _, h := range p.handsets {
			devices = append(devices, node{Tag: "device", Attrs: attrs{"id": strconv.Itoa(int(h.number))}})
		}
		for _, number := range p.deviceNumbers() {
			devices = append(devices, node{Tag: "device", Attrs: attrs{"id": strconv.Itoa(int(number)), "key-index": strconv.Itoa(int(number))}})
		}
		return []node{{Tag: "devices", Content: []node{{Tag: "device-list", Content: devices}}}}
	case "lid":
		return []node{{Tag: "lid", Attrs: attrs{"val": p.lid}}}
	case "status":
		return []node{{Tag: "status", Content: []byte(p.about)}}
	case "picture":
		if p.picture != "" {
			return []node{{Tag: "picture", Attrs: attrs{"id": pictureID(p.picture)}}}
		}
	case "business":
		if p.business != "" {
			return []node{{Tag: "business", Content: []node{p.verifiedName()}}}
		}
	}
	return nil
}

// verifiedName is the certificate of a business's name. The caller holds the server's lock.
func (p *Phone) verifiedName() node {
	details, err := proto.Marshal(&waVnameCert.VerifiedNameCertificate_Details{
		Serial: proto.Uint64(1), Issuer: proto.String("smb:wa"), VerifiedName: proto.String(p.business),
	})
	if err != nil {
		panic(err) // a name and two constants always marshal
	}
	certificate, err := proto.Marshal(&waVnameCert.VerifiedNameCertificate{Details: details})
	if err != nil {
		panic(err)
	}
	return node{Tag: "verified_name", Attrs: attrs{
		"verified_level": "unknown", "v": "2", "host_storage": "1", "actual_actors": "1", "privacy_mode_ts": stamp(time.Unix(0, 0)),
	}, Content: certificate}
}

func (s *Server) businessProfile(n *node) answer {
	request := n.GetChildByTag("business_profile", "profile")
	s.mu.Lock()
	defer s.mu.Unlock()
	name := jid(&request, "jid")
	p := s.find(name)
	if p == nil || p.business == "" {
		return refusal(404, "item-not-found")
	}
	return result(node{Tag: "business_profile", Content: []node{{Tag: "profile", Attrs: attrs{"jid": name}, Content: []node{
		{Tag: "address", Content: []byte(p.business + " Street 1")},
		{Tag: "business_hours", Attrs: attrs{"timezone": "UTC"}},
	}}}})
}

// privacy answers the settings of a fresh account, and takes privacy tokens.
func (s *Server) privacy(n *node) answer {
	if text(n, "type") == "set" {
		return result()
	}
	var categories []node
	for _, name := range []string{"groupadd", "last", "status", "profile", "readreceipts", "online", "calladd"} {
		categories = append(categories, node{Tag: "category", Attrs: attrs{"name": name, "value": "all"}})
	}
	return result(node{Tag: "privacy", Content: categories})
}

// blocklist lists whom the account has blocked, after it has done what is asked.
func (s *Server) blocklist(d *Device, n *node) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := d.phone
	if item, ok := n.GetOptionalChildByTag("item"); ok {
		other := s.find(jid(&item, "jid"))
		if other == nil {
			return refusal(404, "item-not-found")
		}
		if text(&item, "action") == "block" {
			p.blocked[other] = true
		} else {
			delete(p.blocked, other)
		}
	}
	list := node{Tag: "list", Attrs: attrs{}}
	var items []node
	sum := sha256.New()
	for other := range p.blocked {
		items = append(items, node{Tag: "item", Attrs: attrs{"jid": other.lid}})
		_, _ = sum.Write([]byte(other.lid.User))
	}
	list.Attrs["dhash"] = base64.StdEncoding.EncodeToString(sum.Sum(nil)[:6])
	list.Content = items
	return result(list)
}

func (s *Server) setAbout(d *Device, n *node) answer {
	if about, ok := n.GetOptionalChildByTag("status"); ok {
		words, _ := about.Content.([]byte)
		d.phone.set(func() { d.phone.about = string(words) })
	}
	return result()
}

// logOut removes the device that asks for it.
func (s *Server) logOut(d *Device) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !d.removed {
		d.remove()
	}
	return result()
}

// profilePicture finds somebody's picture or a group's, and takes a new one.
func (s *Server) profilePicture(d *Device, n *node) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	target := jid(n, "target")
	if target.IsEmpty() {
		target = d.phone.lid
	}
	var path *string
	if g := s.groups[target.User]; g != nil && target.Server == types.GroupServer {
		path = &g.picture
	} else if p := s.find(target); p != nil {
		path = &p.picture
	}
	if path == nil {
		return refusal(404, "item-not-found")
	}
	request, asked := n.GetOptionalChildByTag("picture")
	if text(n, "type") == "set" {
		image, _ := request.Content.([]byte)
		*path = ""
		if asked && len(image) > 0 {
			*path = s.media.keep("/pp/"+strconv.FormatUint(s.media.next(), 10)+".jpg", image)
			return result(node{Tag: "picture", Attrs: attrs{"id": pictureID(*path)}})
		}
		return result()
	}
	switch {
	case *path == "":
		return refusal(404, "item-not-found")
	case text(&request, "id") == pictureID(*path):
		return result()
	}
	return result(node{Tag: "picture", Attrs: attrs{
		"id": pictureID(*path), "type": text(&request, "type"), "url": fmt.Sprintf("https://%s%s?ccb=1", pictureHost, *path), "direct_path": *path + "?ccb=1",
	}})
}

// pictureID makes an id of a picture's path on the media host.
func pictureID(path string) string {
	return strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], ".jpg")
}

// SetPicture gives the phone a profile picture, and tells those who know it.
func (p *Phone) SetPicture(jpeg []byte) {
	s := p.server
	path := s.media.keep("/pp/"+strconv.FormatUint(s.media.next(), 10)+".jpg", jpeg)
	s.mu.Lock()
	defer s.mu.Unlock()
	p.picture = path
	for d := range p.known {
		d.enqueue(node{Tag: "notification", Attrs: attrs{
			"type": "picture", "from": p.lid, "id": s.stanzaID(), "t": stamp(time.Now()),
		}, Content: []node{{Tag: "set", Attrs: attrs{"jid": p.lid, "id": pictureID(path), "author": p.lid}}}})
	}
}
