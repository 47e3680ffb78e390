package clicksend

import "cmp"

// currency is how the surface shows a currency.
type currency struct {
	Short   string `json:"currency_name_short"`
	Dollar  string `json:"currency_prefix_d"`
	Cent    string `json:"currency_prefix_c"`
	Long    string `json:"currency_name_long"`
	MinLoad string `json:"min_recharge_amount"`
	MaxLoad string `json:"max_recharge_amount"`
}

// The least and the most that the original lets one pay in at once. Here the operator tops wallets up, within no such bounds.
const (
	minLoad = "20.00"
	maxLoad = "10000.00"
)

// currencies are the signs and the names of those that are used most; any other goes by its code.
var currencies = map[string]currency{
	"AED": {Dollar: "AED ", Long: "United Arab Emirates Dirham"}, "AUD": {Dollar: "$", Cent: "c", Long: "Australian Dollars"},
	"BRL": {Dollar: "R$", Long: "Brazilian Real"}, "CAD": {Dollar: "$", Cent: "c", Long: "Canadian Dollars"},
	"CHF": {Dollar: "CHF ", Long: "Swiss Francs"}, "DKK": {Dollar: "kr", Long: "Danish Kroner"},
	"EUR": {Dollar: "€", Cent: "c", Long: "Euros"}, "GBP": {Dollar: "£", Cent: "p", Long: "British Pounds"},
	"GHS": {Dollar: "GH₵", Long: "Ghanaian Cedi"}, "HKD": {Dollar: "$", Cent: "c", Long: "Hong Kong Dollars"},
	"IDR": {Dollar: "Rp", Long: "Indonesian Rupiah"}, "INR": {Dollar: "₹", Long: "Indian Rupees"},
	"JPY": {Dollar: "¥", Long: "Japanese Yen"}, "KES": {Dollar: "KSh", Cent: "c", Long: "Kenyan Shillings"},
	"MXN": {Dollar: "$", Long: "Mexican Pesos"}, "MYR": {Dollar: "RM", Long: "Malaysian Ringgit"},
	"NGN": {Dollar: "₦", Long: "Nigerian Naira"}, "NOK": {Dollar: "kr", Long: "Norwegian Kroner"},
	"NZD": {Dollar: "$", Cent: "c", Long: "New Zealand Dollars"}, "PHP": {Dollar: "₱", Long: "Philippine Pesos"},
	"PLN": {Dollar: "zł", Long: "Polish Zloty"}, "RWF": {Dollar: "FRw", Long: "Rwandan Francs"},
	"SAR": {Dollar: "SAR ", Long: "Saudi Riyal"}, "SEK": {Dollar: "kr", Long: "Swedish Kronor"},
	"SGD": {Dollar: "$", Cent: "c", Long: "Singapore Dollars"}, "TZS": {Dollar: "TSh", Long: "Tanzanian Shillings"},
	"UGX": {Dollar: "USh", Long: "Ugandan Shillings"}, "USD": {Dollar: "$", Cent: "c", Long: "US Dollars"},
	"ZAR": {Dollar: "R", Cent: "c", Long: "South African Rand"},
}

// currencyOf is the currency with a code (ISO 4217).
func currencyOf(code string) currency {
	c := currencies[code]
	c.Short, c.MinLoad, c.MaxLoad = code, minLoad, maxLoad
	c.Dollar, c.Long = cmp.Or(c.Dollar, code+" "), cmp.Or(c.Long, code)
	return c
}
