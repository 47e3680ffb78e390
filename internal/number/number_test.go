package number_test

import (
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

var (
	short = message.Address{Kind: message.Short, Value: "22555"}
	phone = message.Address{Kind: message.Phone, Value: "+254701234567"}
	name  = message.Address{Kind: message.Name, Value: "ACME"}
)

func open(t *testing.T) (*store.Store, *number.Keeper) {
	t.Helper()
	s := storetest.Open(t)
	return s, number.New(s)
}

func assign(s *store.Store, k *number.Keeper, a account.ID, ch message.ChannelID, to message.Address, keyword string) (n number.Number, err error) {
	err = s.Write(func(tx *store.Tx) (err error) {
		n, err = k.Assign(tx, audit.CLI, number.Number{Account: a, Channel: ch, Address: to, Keyword: keyword})
		return err
	})
	return n, err
}

func mustAssign(t *testing.T, s *store.Store, k *number.Keeper, a account.ID, ch message.ChannelID, to message.Address, keyword string) number.Number {
	t.Helper()
	n, err := assign(s, k, a, ch, to, keyword)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestKeywordDecidesWhoseATextIs(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	mustAssign(t, s, k, 1, 10, short, "")
	mustAssign(t, s, k, 2, 10, short, "pizza")
	mustAssign(t, s, k, 3, 10, short, "ТАКСИ")
	mustAssign(t, s, k, 4, 11, short, "vote")
	for _, c := range []struct {
		channel message.ChannelID
		to      message.Address
		text    string
		want    account.ID
	}{
		{10, short, "hello", 1},
		{10, short, "", 1},
		{10, short, "Pizza please", 2},
		{10, short, " \"PIZZA!\" ", 2},
		{10, short, "pizzas please", 1},
		{10, short, "a pizza", 1},
		{10, short, "такси", 3},
		{11, short, "VOTE 7", 4},
		{11, short, "hello", 0},
		{12, short, "hello", 0},
		{10, phone, "pizza", 0},
	} {
		got, ok, err := k.Owner(t.Context(), c.channel, c.to, c.text)
		if got != c.want || ok != (c.want != 0) || err != nil {
			t.Errorf("%q to %s on channel %d is of %d (%v), not %d", c.text, c.to, int64(c.channel), int64(got), err, int64(c.want))
		}
	}
}

func TestNobodySendsAsAnother(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	mustAssign(t, s, k, 1, 10, phone, "")
	mustAssign(t, s, k, 1, 10, short, "a")
	mustAssign(t, s, k, 2, 10, short, "b")
	mustAssign(t, s, k, 1, 10, name, "")
	for _, c := range []struct {
		account account.ID
		channel message.ChannelID
		from    message.Address
		want    bool
	}{
		{1, 10, phone, true},
		{2, 10, phone, false},
		{2, 11, phone, true},
		{1, 10, short, true},
		{2, 10, short, true},
		{3, 10, short, false},
		{2, 10, name, false},
		{3, 10, message.Address{Kind: message.Name, Value: "OTHER"}, true},
		{3, 10, message.Address{}, true},
	} {
		got, err := k.MaySend(t.Context(), c.account, c.channel, c.from, number.Rule{})
		if got != c.want || err != nil {
			t.Errorf("account %d as %s on channel %d: %v (%v)", int64(c.account), c.from, int64(c.channel), got, err)
		}
	}
}

func TestOnARegisteredChannelLeaveIsNeeded(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	mustAssign(t, s, k, 1, 10, phone, "")
	register := func(a account.ID, as message.Address) (made number.Sender, err error) {
		err = s.Write(func(tx *store.Tx) (err error) {
			made, err = k.Register(tx, audit.CLI, number.Sender{Account: a, Channel: 10, Address: as})
			return err
		})
		return made, err
	}
	given, err := register(2, name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := register(2, name); !fault.Is(err, fault.AlreadyThere) {
		t.Errorf("given twice: %v", err)
	}
	if _, err := register(2, message.Address{}); !fault.Is(err, fault.MissingField) {
		t.Errorf("leave for nothing: %v", err)
	}
	if _, err := register(2, phone); err != nil { // its owner's business, and the operator's
		t.Error(err)
	}
	may := func(a account.ID, as message.Address) bool {
		t.Helper()
		may, err := k.MaySend(t.Context(), a, 10, as, number.Rule{Registered: true, Own: short})
		if err != nil {
			t.Error(err)
		}
		return may
	}
	for who, c := range map[account.ID]map[message.Address]bool{
		1: {phone: true, name: false, short: true},
		2: {phone: true, name: true, short: true},
		3: {phone: false, name: false, short: true},
	} {
		for as, want := range c {
			if may(who, as) != want {
				t.Errorf("account %d as %s: want %v", int64(who), as, want)
			}
		}
	}
	withdraw := func() error {
		return s.Write(func(tx *store.Tx) error { return k.Withdraw(tx, audit.CLI, given) })
	}
	if err := withdraw(); err != nil || may(2, name) {
		t.Errorf("withdrawn: %v", err)
	}
	if err := withdraw(); !fault.Is(err, fault.NotHere) {
		t.Errorf("withdrawn twice: %v", err)
	}
}

func TestAChannelThatIsNoMoreHasNoNumbers(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	mustAssign(t, s, k, 1, 10, phone, "")
	stays := mustAssign(t, s, k, 1, 11, phone, "")
	err := s.Write(func(tx *store.Tx) error {
		if _, err := k.Register(tx, audit.CLI, number.Sender{Account: 1, Channel: 10, Address: name}); err != nil {
			return err
		}
		return k.Forget(tx, audit.CLI, 10)
	})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := k.All(t.Context()); len(all) != 1 || all[0] != stays || err != nil {
		t.Errorf("there are %v (%v)", all, err)
	}
	if left, err := k.Senders(t.Context()); len(left) != 0 || err != nil {
		t.Errorf("there are %v (%v)", left, err)
	}
}

func TestNumberHasOneOwner(t *testing.T) {
	t.Parallel()
	s, k := open(t)
	n := mustAssign(t, s, k, 1, 10, short, "Pizza")
	if n.Keyword != "PIZZA" || n.ID == 0 {
		t.Errorf("assigned %+v", n)
	}
	for want, again := range map[fault.Code]number.Number{
		fault.AlreadyThere: {Account: 2, Channel: 10, Address: short, Keyword: "pizza"},
		fault.MissingField: {Account: 2, Channel: 10, Keyword: "pizza"},
		fault.InvalidField: {Account: 2, Channel: 10, Address: short, Keyword: "two words"},
	} {
		if _, err := assign(s, k, again.Account, again.Channel, again.Address, again.Keyword); !fault.Is(err, want) {
			t.Errorf("%+v: %v", again, err)
		}
	}
	if own, err := k.All(t.Context()); len(own) != 1 || own[0] != n || err != nil {
		t.Errorf("there are %v (%v)", own, err)
	}
	release := func(a account.ID, n id.Of[number.Number]) (done bool) {
		t.Helper()
		err := s.Write(func(tx *store.Tx) (err error) {
			done, err = k.Release(tx, audit.CLI, a, n)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	other := mustAssign(t, s, k, 1, 10, short, "pasta")
	change := func(n number.Number) (err error) {
		return s.Write(func(tx *store.Tx) (err error) {
			_, err = k.Change(tx, audit.CLI, n)
			return err
		})
	}
	other.Keyword = "pizza"
	if err := change(other); !fault.Is(err, fault.AlreadyThere) {
		t.Errorf("a keyword of two: %v", err)
	}
	other.Keyword = "soup"
	if err := change(other); err != nil || !release(1, other.ID) {
		t.Errorf("a keyword of its own: %v", err)
	}
	if release(2, n.ID) || !release(1, n.ID) || release(1, n.ID) {
		t.Error("only its owner releases a number, once")
	}
	mustAssign(t, s, k, 2, 10, short, "pizza")
}
