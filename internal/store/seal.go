package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// masterKeyFile holds the master key in the data folder. Backups leave it out.
const masterKeyFile = "master.key"

// sealer encrypts secrets at rest with AES-256-GCM under the master key, a Tink keyset.
type sealer struct {
	aead   tink.AEAD
	marker []byte // the key of marks
}

// NewMasterKey returns a fresh master key in the form that settings and master.key take.
func NewMasterKey() (string, error) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return "", fmt.Errorf("make a master key: %w", err)
	}
	return encodeKey(h)
}

// rotateMasterKey returns the master key with a new first key. Secrets sealed under the old ones still open.
func rotateMasterKey(key string) (string, error) {
	h, err := decodeKey(key)
	if err != nil {
		return "", err
	}
	m := keyset.NewManagerFromHandle(h)
	keyID, err := m.Add(aead.AES256GCMKeyTemplate())
	if err == nil {
		err = m.SetPrimary(keyID)
	}
	if err != nil {
		return "", fmt.Errorf("rotate the master key: %w", err)
	}
	if h, err = m.Handle(); err != nil {
		return "", fmt.Errorf("rotate the master key: %w", err)
	}
	return encodeKey(h)
}

func encodeKey(h *keyset.Handle) (string, error) {
	var buf bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewBinaryWriter(&buf)); err != nil {
		return "", fmt.Errorf("write the master key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(buf.Bytes()), nil
}

func decodeKey(key string) (*keyset.Handle, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	if err != nil {
		return nil, errors.New("the master key is not base64")
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, errors.New("the master key is not one that `tidings masterkey new` made")
	}
	return h, nil
}

// openSealer takes the given key, else the file's, else makes the file.
func openSealer(dir, key string) (*sealer, error) {
	if key == "" {
		var err error
		if key, err = readMasterKey(filepath.Join(dir, masterKeyFile)); err != nil {
			return nil, err
		}
	}
	h, err := decodeKey(key)
	if err != nil {
		return nil, err
	}
	a, err := aead.New(h)
	if err != nil {
		return nil, fmt.Errorf("use the master key: %w", err)
	}
	return &sealer{aead: a}, nil
}

func readMasterKey(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		return string(raw), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the master key: %w", err)
	}
	key, err := NewMasterKey()
	if err != nil {
		return "", err
	}
	err = writeDurably(path, []byte(key+"\n"))
	if errors.Is(err, fs.ErrExist) { // another process was first
		return readMasterKey(path)
	}
	if err != nil {
		return "", fmt.Errorf("keep the master key: %w", err)
	}
	return key, nil
}

// writeDurably makes a file that only its owner reads, whole and on disk once it has its name. It overwrites none.
func writeDurably(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), path)
	}
	return errors.Join(err, os.Remove(f.Name()), syncFile(filepath.Dir(path)))
}

func (s *sealer) seal(place, secret string) (string, error) {
	sealed, err := s.aead.Encrypt([]byte(secret), []byte(place))
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", place, err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

func (s *sealer) unseal(place, sealed string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err == nil {
		raw, err = s.aead.Decrypt(raw, []byte(place))
	}
	if err != nil {
		return "", fmt.Errorf("open the secret of %s: %w", place, err)
	}
	return string(raw), nil
}

// sealCheck is a secret that everyone may know: it opens only under the key the database was made with.
const sealCheck = "tidings"

var errWrongKey = errors.New("this is not the master key of this database: its secrets would be lost; give the right one by master_key_file or TIDINGS_MASTER_KEY")

// verify refuses a master key that is not this database's.
func (s *sealer) verify(ctx context.Context, db Queryer) error {
	var sealed string
	err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'seal'").Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		if sealed, err = s.seal("meta/seal", sealCheck); err != nil {
			return err
		}
		return setMeta(ctx, db, "seal", sealed)
	}
	if err != nil {
		return fmt.Errorf("read the seal: %w", err)
	}
	if text, err := s.unseal("meta/seal", sealed); err != nil || text != sealCheck {
		return errWrongKey
	}
	return nil
}

// RotateMasterKeyFile puts a new first key into the file. What the old ones sealed still opens.
func RotateMasterKeyFile(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the master key: %w", err)
	}
	key, err := rotateMasterKey(string(old))
	if err != nil {
		return err
	}
	fresh := path + ".new"
	if err := errors.Join(os.RemoveAll(fresh), writeDurably(fresh, []byte(key+"\n"))); err != nil {
		return fmt.Errorf("keep the master key: %w", err)
	}
	return errors.Join(os.Rename(fresh, path), syncFile(filepath.Dir(path)))
}
