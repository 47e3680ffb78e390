package bulksms

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

const (
	queued     = "SMS queued for sending."
	maxNumbers = 1000
)

// whole are the faults of one number that refuse the request. The others are of numbers that may not be sent to, and count as rejected.
var whole = []fault.Code{
	fault.InvalidRecipient, fault.EmptyText, fault.TextTooLong, fault.InvalidSender, fault.NoChannel, fault.NotLinked, fault.InsufficientBalance, fault.SpendLimit,
}

// sendFirst sends for who has a user name and a password.
func (s *server) sendFirst(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[firstRequest](r)
	if err != nil {
		return err
	}
	if err := s.admitFirst(r, credentials{in.Username, in.Password}, account.MessagesSend, account.AccessSMS); err != nil {
		return err
	}
	return s.send(w, r, in.Numbers, in.Body)
}

// sendSecond sends for who has a key. HEAD is for looking, and whoever looks sends nothing.
func (s *server) sendSecond(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodHead {
		w.Header().Set("Allow", "GET, POST, OPTIONS")
		return fault.New(fault.MethodNotAllowed, "HEAD sends nothing")
	}
	in, err := api.DecodeLenient[secondRequest](r)
	if err != nil {
		return err
	}
	if err := s.admitSecond(r, in.Key, account.MessagesSend, account.AccessSMS); err != nil {
		return err
	}
	return s.send(w, r, in.Numbers, in.Body)
}

// send takes the message to all of the numbers, or to none.
func (s *server) send(w http.ResponseWriter, r *http.Request, list api.Texts, body api.Text) error {
	numbers, err := split(list)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(body)) == "" {
		return fault.New(fault.MissingField, "there is no text").In("message_body")
	}
	drafts := make([]message.Draft, len(numbers))
	for i, to := range numbers {
		drafts[i] = message.Draft{Kind: message.SMS, To: to, Content: message.Text(string(body)), Priority: message.Bulk}
	}
	request, err := api.Submission(r, drafts...)
	if err != nil {
		return err
	}
	request.Whole = whole
	// A message may stand in the URL, and a password in the body: two requests are the same when they say the same to the same.
	request.Fingerprint = s.core.Store.Mark("bulksms/send", strings.Join(numbers, ",")+"\x00"+string(body))
	c := api.CallerOf(r)
	reply, err := s.core.Gateway.Submit(r.Context(), c, request)
	if err != nil {
		return err
	}
	return s.sent(w, r, c, numbers, reply)
}

// split reads the numbers of a list with commas. What is empty between two is none. What has anything in it that people do not write in
// one number is refused here: of two numbers with another sign between them, a lenient reading would take the first and lose the other.
func split(list api.Texts) ([]string, error) {
	var numbers []string
	for _, text := range list {
		for number := range strings.SplitSeq(string(text), ",") {
			if number = strings.TrimSpace(number); number == "" {
				continue
			}
			if strings.Trim(number, "+0123456789 ()-.") != "" || strings.LastIndexByte(number, '+') > 0 {
				return nil, fault.New(fault.InvalidRecipient, "a number has digits").In("numbers")
			}
			numbers = append(numbers, number)
		}
	}
	switch {
	case len(numbers) == 0:
		return nil, fault.New(fault.MissingField, "there are no numbers").In("numbers")
	case len(numbers) > maxNumbers:
		return nil, fault.New(fault.TooManyItems, "The numbers field must not have more than %d items.", maxNumbers)
	}
	return numbers, nil
}

// sent tells what became of each number.
func (s *server) sent(w http.ResponseWriter, r *http.Request, c gateway.Caller, numbers []string, reply gateway.Reply) error {
	data := sentData{Messages: make([]sentMessage, len(numbers))}
	for i, result := range reply.Results {
		one := sentMessage{Number: numbers[i], Status: "rejected"}
		if f := result.Fault; f != nil {
			if f.Code == fault.KeyReused || refuses(f) {
				return f
			}
			data.Rejected++
			data.Messages[i] = one
			continue
		}
		id := result.Message.ID.String()
		data.Batch = cmp.Or(data.Batch, &id)
		data.Accepted++
		data.Used += money(result.Message.Price)
		one.ID, one.Status, one.Parts = &id, "queued", result.Message.Total
		data.Messages[i] = one
	}
	left, err := s.available(r.Context(), &c.Account)
	if err != nil {
		return err
	}
	data.Balance = left
	if reply.Replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	return api.Reply(w, http.StatusOK, sent{Success: true, Message: queued, Data: data})
}

// refuses tells whether a fault of one number is the request's.
func refuses(f *fault.Fault) bool {
	for _, code := range whole {
		if f.Code == code {
			return true
		}
	}
	return false
}

// available is what the account may spend. One without a wallet has nothing.
func (s *server) available(ctx context.Context, a *account.Account) (money, error) {
	b, err := s.core.Wallet.Balance(ctx, a.Payer())
	if err != nil && !fault.Is(err, fault.NotHere) {
		return 0, fmt.Errorf("read balance: %w", err)
	}
	return money(b.Available), nil
}

// readBalance tells the balance.
func (s *server) readBalance(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[balanceRequest](r)
	if err != nil {
		return err
	}
	if err := s.admitSecond(r, in.Key, account.AccountRead, account.AccessBilling); err != nil {
		return err
	}
	a := api.CallerOf(r).Account
	left, err := s.available(r.Context(), &a)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, balance{left, a.Currency, a.Username})
}
