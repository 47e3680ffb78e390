package media

import (
	"image"
	_ "image/jpeg" // to read sizes
	_ "image/png"
	"io"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// Limits are how many bytes a file may have, by what carries it.
type Limits struct {
	Image, Video, Audio, Document, Sticker int64
}

// Of is the limit of a type of content. What is not said to be anything may be as large as a document.
func (l Limits) Of(t message.Type) int64 {
	switch t {
	case message.TypeImage:
		return l.Image
	case message.TypeVideo:
		return l.Video
	case message.TypeAudio, message.TypeVoice:
		return l.Audio
	case message.TypeSticker:
		return l.Sticker
	default:
		return l.Document
	}
}

// Most is more than any file has.
func (l Limits) Most() int64 { return max(l.Image, l.Video, l.Audio, l.Document, l.Sticker) }

// taken are the types of file that a content may have, by what the networks say they show. A document may be anything.
var taken = map[message.Type][]string{
	message.TypeImage:   {"image/jpeg", "image/png"},
	message.TypeVideo:   {"video/mp4", "video/3gpp"},
	message.TypeAudio:   {"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"},
	message.TypeVoice:   {"audio/ogg"},
	message.TypeSticker: {"image/webp"},
}

// maxPixels of an image: what shows it, or makes a small one of it, unpacks it.
const maxPixels = 50_000_000

// headSize is how much of a file is looked at to know its type.
const headSize = 64 << 10

// aliases are other names of types.
var aliases = map[string]string{"audio/x-m4a": "audio/mp4", "application/ogg": "audio/ogg", "video/3gpp2": "video/3gpp", "audio/amr-nb": "audio/amr"}

// sniff is the type of a file by its first bytes, whatever it is called.
func sniff(head []byte) string {
	name, _, _ := strings.Cut(mimetype.Detect(head).String(), ";")
	if known, ok := aliases[name]; ok {
		return known
	}
	return name
}

// TypeOf is the content that carries a file of a media type best.
func TypeOf(mime string) message.Type {
	for _, t := range []message.Type{message.TypeImage, message.TypeVideo, message.TypeAudio} {
		if slices.Contains(taken[t], mime) {
			return t
		}
	}
	return message.TypeDocument
}

// Extension is how the names of files of a media type end, with the dot; empty when there is no habit.
func Extension(mime string) string {
	if known := mimetype.Lookup(mime); known != nil {
		return known.Extension()
	}
	return ""
}

// Check refuses a file that a content of the type may not have.
func (l Limits) Check(t message.Type, m message.Media) error {
	if m.Size > l.Of(t) {
		return l.tooLarge(t)
	}
	if types := taken[t]; types != nil && !slices.Contains(types, m.MIME) {
		return fault.New(fault.UnsupportedMedia, "a file of type %s is not taken as %s, but %s", m.MIME, t, strings.Join(types, ", "))
	}
	if t != message.TypeImage {
		return nil
	}
	switch pixels := int64(m.Width) * int64(m.Height); {
	case pixels <= 0:
		return fault.New(fault.UnsupportedMedia, "the image is damaged")
	case pixels > maxPixels:
		return fault.New(fault.MediaTooLarge, "an image has at most %d pixels; this one has %d x %d", maxPixels, m.Width, m.Height)
	}
	return nil
}

func (l Limits) tooLarge(t message.Type) *fault.Fault {
	name := string(t)
	if name == "" {
		name = string(message.TypeDocument)
	}
	return fault.New(fault.MediaTooLarge, "the file of a %s has at most %d bytes", name, l.Of(t))
}

// pixels tells how wide and high an image is, without unpacking it; 0 for what is none.
func pixels(mime string, content io.Reader) (width, height int) {
	if mime != "image/jpeg" && mime != "image/png" {
		return 0, 0
	}
	c, _, err := image.DecodeConfig(content)
	if err != nil {
		return 0, 0
	}
	return c.Width, c.Height
}
