package member

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/sync/singleflight"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

const (
	remembered  = 10 * time.Minute // for so long a password that was right need not be checked again
	minPassword = 8                // characters
	maxPassword = 512              // bytes
	maxChecks   = 64               // passwords that are checked, or wait for it, at a time
)

// checkPassword refuses what is too easy to guess, and what nobody can send: HTTP Basic carries no zero.
func checkPassword(password string) error {
	letter := strings.ContainsFunc(password, unicode.IsLetter)
	other := strings.ContainsFunc(password, func(r rune) bool { return !unicode.IsLetter(r) })
	switch {
	case len(password) > maxPassword:
		return fault.New(fault.InvalidField, "a password has at most %d bytes", maxPassword).In("password")
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return fault.New(fault.InvalidField, "a password is text that can be typed").In("password")
	case utf8.RuneCountInString(password) < minPassword || !letter || !other:
		return fault.New(fault.InvalidField, "a password has at least %d characters, with a letter and something else among them", minPassword).In("password")
	}
	return nil
}

// passwords checks them, a few at a time: each check takes 19 MiB and a core by intention. What was right is remembered by a mark
// that changes with the password, so that nothing needs to be forgotten when it does.
type passwords struct {
	checks singleflight.Group
	asked  atomic.Int32
	slots  chan struct{}
	mu     sync.Mutex
	known  map[string]time.Time // mark to when it is forgotten
	swept  time.Time
}

func newPasswords() *passwords {
	return &passwords{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), known: map[string]time.Time{}}
}

// knows tells whether the mark is of a password that was right a short while ago.
func (p *passwords) knows(mark string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Before(p.known[mark])
}

func (p *passwords) remember(mark string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.swept) > time.Minute {
		p.swept = now
		for other, until := range p.known {
			if !now.Before(until) {
				delete(p.known, other)
			}
		}
	}
	p.known[mark] = now.Add(remembered)
}

// enter waits for a turn to check, unless too many wait already.
func (p *passwords) enter() (leave func(), err error) {
	if p.asked.Add(1) > maxChecks {
		p.asked.Add(-1)
		return nil, fault.New(fault.RateLimited, "too many passwords are being checked at this moment").After(time.Second)
	}
	p.slots <- struct{}{}
	return func() {
		<-p.slots
		p.asked.Add(-1)
	}, nil
}

// nobody is the hash that the password of an unknown user is compared with, so that the time tells nothing.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// SignIn returns the account whose user name and password these are, working or not. A wrong name and a wrong password look the
// same and take as long.
//
// To check a password costs much by intention. What was right is remembered for ten minutes, until the password changes or the account
// is suspended, on whichever server. All else costs a check, before which may is asked, with the user name as it is stored: its fault ends the attempt.
func (k *Keeper) SignIn(ctx context.Context, username, password string, may func(username string) error) (account.Account, bool, error) {
	r, err := k.all.Get(ctx)
	if err != nil || len(password) > maxPassword {
		return account.Account{}, false, err
	}
	username = canonical(username)
	a := r.byName[username]
	mark := k.store.Mark("member/sign-in", username+"\x00"+strconv.FormatInt(r.signIn[a.ID], 10)+"\x00"+password)
	if k.passwords.knows(mark, k.store.Now()) {
		return a, true, nil
	}
	// Who asks the same at the same time waits for one answer; it must not depend on who asked first and may go away.
	right, err, _ := k.passwords.checks.Do(mark, func() (any, error) {
		return k.check(context.WithoutCancel(ctx), a.ID, mark, password, func() error { return may(username) })
	})
	if err != nil || !right.(bool) {
		return account.Account{}, false, err
	}
	return a, true, nil
}

// check compares a password with that of an account; zero is nobody's.
func (k *Keeper) check(ctx context.Context, id account.ID, mark, password string, may func() error) (bool, error) {
	leave, err := k.passwords.enter()
	if err != nil {
		return false, err
	}
	defer leave()
	if err := may(); err != nil {
		return false, err
	}
	hash, err := on(k.store.Reader()).PasswordOf(ctx, passwordOfParams{ID: id})
	if err != nil && !store.NoRows(err) {
		return false, fmt.Errorf("read password: %w", err)
	}
	known := hash != ""
	if !known {
		hash = nobody
	}
	match, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	if !match || !known {
		return false, nil
	}
	k.passwords.remember(mark, k.store.Now())
	return true, nil
}
