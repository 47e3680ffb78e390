package store

import "time"

// What tests of the database itself need to know of this package.
var (
	MakePartitions = makePartitions
	SayPostgres    = forPostgres.say
	SaySQLite      = forSQLite.say
	KeyOf          = keyOf
)

// The advisory locks, and how long things may take.
const (
	WriteLock      = int64(writeLock)
	OutagePatience = outagePatience
)

// AtLeast tells whether a server's version is one that is supported.
func AtLeast(major int, version string) bool { return atLeast(major * 10000)(version) }

// MonthOf is the first moment of a moment's month.
func MonthOf(t time.Time) time.Time { return monthOf(t) }
