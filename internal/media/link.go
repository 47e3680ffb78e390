package media

import (
	"context"
	"crypto/subtle"
	"io"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
)

// Links is where signed links lead: the rest of the path is what Follow reads.
const Links = "/tidings/v1/files/"

// signature is how many characters of the mark a link has: 160 bits.
const signature = 40

// URL is an address at which anybody may read the file, for some time after the given one. It is always the same for the same.
func (k *Keeper) URL(file message.MediaID, from time.Time) string {
	expires := strconv.FormatInt(from.Add(k.Settings.Link).Unix(), 36)
	return k.base + Links + file.String() + "." + expires + "." + k.sign(file.String(), expires)
}

func (k *Keeper) sign(file, expires string) string {
	return k.Store.Mark("media link", file+"."+expires)[:signature]
}

// Follow returns the file that a link leads to, with its bytes. fault.NotHere for a link that is wrong, too old, or to what is no more.
func (k *Keeper) Follow(ctx context.Context, link string) (File, io.ReadSeekCloser, error) {
	file, err := k.verify(link)
	if err != nil {
		return File{}, nil, err
	}
	return k.read(ctx, file)
}

func (k *Keeper) verify(link string) (message.MediaID, error) {
	parts := strings.Split(link, ".")
	if len(parts) != 3 {
		return 0, noLink()
	}
	file, err := id.Parse[message.Media](parts[0])
	if err != nil || file.String() != parts[0] {
		return 0, noLink()
	}
	expires, err := strconv.ParseInt(parts[1], 36, 64)
	if err != nil || subtle.ConstantTimeCompare([]byte(k.sign(parts[0], parts[1])), []byte(parts[2])) == 0 {
		return 0, noLink()
	}
	if k.Store.Now().Unix() >= expires {
		return 0, fault.New(fault.NotHere, "the link was good until %s", time.Unix(expires, 0).UTC().Format(time.RFC3339))
	}
	return file, nil
}

func noLink() *fault.Fault { return fault.New(fault.NotHere, "this is no link to a file") }
