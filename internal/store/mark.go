package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// loadMarker reads the key of marks, or makes it. It is sealed under the master key, and stays when that is rotated.
func (s *sealer) loadMarker(ctx context.Context, db Queryer) error {
	fresh, err := s.seal("meta/mark", rand.Text()+rand.Text())
	if err != nil {
		return err
	}
	const add = `INSERT INTO meta (name, value) VALUES ('mark', $1) ON CONFLICT (name) DO NOTHING`
	if _, err := db.ExecContext(ctx, add, fresh); err != nil {
		return fmt.Errorf("keep the key of marks: %w", err)
	}
	var sealed string
	if err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'mark'").Scan(&sealed); err != nil {
		return fmt.Errorf("read the key of marks: %w", err)
	}
	key, err := s.unseal("meta/mark", sealed)
	s.marker = []byte(key)
	return err
}

// Mark is what a text is known by that must not be kept: always the same of one text at one place, and of no use to whoever has
// not the master key.
func (s *Store) Mark(place, text string) string {
	h := hmac.New(sha256.New, s.sealer.marker)
	h.Write([]byte(place + "\x00" + text))
	return hex.EncodeToString(h.Sum(nil))
}
