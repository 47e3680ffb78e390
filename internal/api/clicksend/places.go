package clicksend

import (
	_ "embed"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"tidings.dev/internal/api"
)

// placeOperations tell what there is in the world. Nobody needs credentials for it.
func (s *server) placeOperations() []api.Operation {
	open := func(h api.Handler) api.Handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			if err := s.kit.AdmitAnyone(r); err != nil {
				return err
			}
			return h(w, r)
		}
	}
	return []api.Operation{
		{
			Pattern: "GET /v3/countries", ID: "readCountries", Summary: "List the countries", Open: true, Handler: open(s.readCountries),
			Replies: []api.Example{done("List of Countries.", []countryView{{"AU", "Australia"}})},
		},
		{
			Pattern: "GET /v3/country-list", ID: "readCountryList", Summary: "List the countries with their continents", Open: true, Handler: open(s.readCountryList),
			Replies: []api.Example{done("List of Countries.", []placeView{{36, "Australia", "AU", "Oceania"}})},
		},
		{
			Pattern: "GET /v3/timezones", ID: "readTimezones", Summary: "List the time zones", Open: true, Handler: open(s.readTimezones),
			Replies: []api.Example{done("List of timezones.", []string{"Africa/Abidjan"})},
		},
	}
}

type (
	countryView struct {
		Code string `json:"code"`
		Name string `json:"value"`
	}
	placeView struct {
		ID     int    `json:"id" doc:"The country's number (ISO 3166-1)."`
		Name   string `json:"name"`
		Code   string `json:"code"`
		Region string `json:"region"`
	}
)

// renamed are the countries that have got another name since the library's data were gathered (CLDR 32).
var renamed = map[string]string{"CZ": "Czechia", "MK": "North Macedonia", "SZ": "Eswatini", "TR": "Türkiye"}

// continents are those of the United Nations (M49).
var continents = []language.Region{
	language.MustParseRegion("002"), language.MustParseRegion("019"), language.MustParseRegion("142"), language.MustParseRegion("150"), language.MustParseRegion("009"),
}

// places are the countries of ISO 3166-1, by their names.
var places = sync.OnceValue(func() (list []placeView) {
	names := display.English.Regions()
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			code := string([]rune{a, b})
			region, err := language.ParseRegion(code)
			if err != nil || !region.IsCountry() || region.String() != code || region.Canonicalize() != region || region.M49() == 0 || region.IsPrivateUse() {
				continue
			}
			name, ok := renamed[code]
			if !ok {
				name = names.Name(region)
			}
			if name == "" {
				continue // it is no more
			}
			list = append(list, placeView{region.M49(), name, code, continentOf(region, names)})
		}
	}
	slices.SortFunc(list, func(x, y placeView) int { return strings.Compare(x.Name, y.Name) })
	return list
})

// continentOf is the name of the continent that has a country; empty for Antarctica, which is one itself.
func continentOf(region language.Region, names display.Namer) string {
	for _, c := range continents {
		if c.Contains(region) {
			return names.Name(c)
		}
	}
	return ""
}

func (s *server) readCountries(w http.ResponseWriter, _ *http.Request) error {
	list := make([]countryView, len(places()))
	for i, p := range places() {
		list[i] = countryView{p.Code, p.Name}
	}
	return answer(w, "List of Countries.", list)
}

func (s *server) readCountryList(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, "List of Countries.", places())
}

// zones are the names of the time zones that this program knows, one on each line: those of the Go release that it is built with.
//
//go:embed zones.txt
var zones string

func (s *server) readTimezones(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, "List of timezones.", strings.Fields(zones))
}
