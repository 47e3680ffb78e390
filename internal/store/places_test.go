package store

import (
	"slices"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"
)

func TestPlacesAreFound(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]positional{
		"SELECT 1":                      {"SELECT 1", nil},
		"a = $1 AND b = $2":             {"a = ? AND b = ?", []int{0, 1}},
		"a = $2 AND b = $1 AND c = $2;": {"a = ? AND b = ? AND c = ?;", []int{1, 0, 1}},
		"a = $12":                       {"a = ?", []int{11}},
		"a = '$' || $x":                 {"a = '$' || $x", nil},
		"a$":                            {"a$", nil},
	} {
		if got := parsePlaces(query); got.text != want.text || !slices.Equal(got.args, want.args) {
			t.Errorf("%q became %q %v, want %q %v", query, got.text, got.args, want.text, want.args)
		}
	}
}

func TestNetworkFileSystemsAreRefused(t *testing.T) {
	t.Parallel()
	for fsType, bad := range map[uint32]bool{0x6969: true, 0xff534d42: true, 0xfe534d42: true, 0x00c36400: true, 0xef53: false, 0x01021994: false, 0x58465342: false} {
		if err := refuseNetwork("dir", fsType); (err != nil) != bad {
			t.Errorf("%#x: %v", fsType, err)
		}
	}
}

func TestErrorsOfTheDiskAreToldApart(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]trouble{
		sqlite3.SQLITE_FULL: diskFull, sqlite3.SQLITE_IOERR_SHMSIZE: diskFull, sqlite3.SQLITE_IOERR_FSYNC: untrusted,
		sqlite3.SQLITE_IOERR_WRITE: untrusted, sqlite3.SQLITE_CORRUPT: untrusted, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: noTrouble,
		sqlite3.SQLITE_BUSY: noTrouble,
	} {
		if got := (&sqliteConn{}).trouble(&batchError{"x", &sqliteError{code: code}}); got != want {
			t.Errorf("code %d is %d, want %d", code, got, want)
		}
	}
}
