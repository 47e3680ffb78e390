package app_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The import table: which of our packages may import which, level by level (docs/architecture.md). Packages of internal/ go by
// their path below it; @ stands for a group; api/* is every folder in api.

// groups are the levels, and what may be named together.
var groups = map[string]string{
	"@nouns":   "message account smpp",
	"@engine":  "store guard mail",
	"@records": "event audit queue channel",
	"@keepers": "member connection number consent wallet key media route contact template conversation link issue report rate policy",
	"@users":   "broadcast automation intake webhook fleet notify privacy",
	"@to2":     "@nouns @engine @records @keepers",
	"@to3":     "@to2 gateway",
	"@to4":     "@to3 @users",
}

// anyone may import these, which know nothing of the product.
const anyone = "id fault telemetry"

type rule struct {
	packages string // whose imports the rule is about
	may      string // what they may import, besides anyone
	alone    bool   // not even that
	why      string
}

var table = []rule{
	{"id fault smpp", "", true, "it stands at the bottom, so that everything may rest on it"},
	{"simulator", "simulator/* smpp", true, "a far side that shared our code would share our mistakes"},
	{"simulator/*", "smpp", true, "a far side that shared our code would share our mistakes"},
	{"telemetry account", "", false, "it stands at the bottom, so that everything may rest on it"},
	{"config", "", false, "settings are read before anything runs, so they know of nothing that does"},
	{"message", "account", false, "the nouns know only each other, so that everything may speak of them"},

	{"store guard mail", "", false, "the engine knows no noun: it serves any product"},
	{"event audit", "store message account", false, "everything that writes appends here, so it may lean on little"},
	{"queue", "store account", false, "jobs know nothing of what they carry; accounts are known because they take turns"},
	{"channel", "message", false, "the driver contract speaks of messages and of nothing that keeps them"},
	{"@keepers", "@records store message account guard", false, "keepers never see each other: what joins two of them is a rule of the gateway"},
	{"gateway", "@to2", false, "the core joins the keepers and knows nothing of who calls it"},
	{"@users", "@to3", false, "users of the core never see each other, and no surface"},

	{"api", "@to4", false, "the kit serves all surfaces, so it knows none of them"},
	{"api/*", "api @to4", false, "surfaces never see each other: what two need belongs in api"},
	{"dashboard", "api @to4", false, "the dashboard is one more surface"},
	{"channel/smppchannel", "channel message smpp", false, "a driver turns messages into a network's words and knows nothing else of us"},
	{"channel/trial", "channel message smpp", false, "it plays a network, and splits texts as one"},
	{"channel/*", "channel message", false, "a driver turns messages into a network's words and knows nothing else of us"},

	{"certificate", "store", false, "it serves connections and knows no noun"},

	{"app", "config certificate api/* channel/* dashboard api @to4", false, "only the wiring knows everything, and the product holds no simulator"},
	{"cmd/tidings", "app config store", false, "the program reads settings and starts the wiring; backups and key files are the store's"},
	{"cmd/sandbox", "app config simulator simulator/* smpp", false, "the sandbox is the product with far sides beside it"},

	{"test/bench", "@to3 simulator/* test/*", false, "the bench also measures the core without HTTP"},
	{"test/foreign", "channel channel/* message smpp test/*", false, "the drivers meet software that we did not write"},
	{"test/cluster", "store/storetest", true, "it starts a database server beside a command, and knows nothing of what the command is"},
	{"test/*", "smpp simulator/* test/* store/storetest", false, "these tests use the program as its users do, with a database server that they may kill"},
}

// inTests is what the tests of any package may import besides.
const inTests = "simulator simulator/*"

// testLibraries are for tests, test kits (channeltest, apitest, ...) and what is under test/ and simulator/. In the product they
// would be code that runs for customers.
var testLibraries = []string{
	"testing", "pgregory.net/rapid", "go.uber.org/goleak", "github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal", "github.com/getkin/kin-openapi", "github.com/letsencrypt/pebble", "github.com/miekg/dns",
}

// source is a Go file and what it imports.
type source struct {
	path    string // from the root of the repository
	imports []string
}

func TestArrows(t *testing.T) {
	sources, err := readSources("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 20 {
		t.Fatalf("only %d Go files found: the test looks in the wrong place", len(sources))
	}
	for _, s := range sources {
		for _, complaint := range complaints(s) {
			t.Error(complaint)
		}
	}
}

// TestArrowsCatchViolations plants one import at a time.
func TestArrowsCatchViolations(t *testing.T) {
	for _, c := range []struct{ file, imports, want string }{
		{"internal/wallet/wallet.go", "internal/store", ""},
		{"internal/wallet/wallet.go", "internal/id", ""},
		{"internal/wallet/wallet.go", "database/sql", ""},
		{"internal/wallet/wallet.go", "internal/consent", "keepers never see each other"},
		{"internal/wallet/wallet_test.go", "internal/consent", "keepers never see each other"},
		{"internal/wallet/wallet.go", "internal/gateway", "keepers never see each other"},
		{"internal/wallet/wallet.go", "internal/smpp", "keepers never see each other"},
		{"internal/wallet/wallet.go", "pgregory.net/rapid", "for tests"},
		{"internal/wallet/wallet_test.go", "pgregory.net/rapid", ""},
		{"internal/wallet/wallet_test.go", "internal/wallet", ""},
		{"internal/wallet/walletkit.go", "testing", "for tests"},
		{"internal/id/id.go", "internal/fault", "at the bottom"},
		{"internal/store/store.go", "internal/message", "knows no noun"},
		{"internal/store/storetest/kit.go", "testing", ""},
		{"internal/store/storetest/kit.go", "internal/store", ""},
		{"internal/store/storetest/kit.go", "internal/message", "knows no noun"},
		{"internal/wallet/wallet_test.go", "internal/store/storetest", ""},
		{"internal/wallet/wallet.go", "internal/store/storetest", "test kit"},
		{"internal/wallet/wallet_test.go", "internal/gateway/gatewaytest", "keepers never see each other"},
		{"internal/queue/queue.go", "internal/message", "nothing of what they carry"},
		{"internal/gateway/gateway.go", "internal/wallet", ""},
		{"internal/gateway/gateway.go", "internal/api", "who calls it"},
		{"internal/gateway/gateway.go", "internal/webhook", "who calls it"},
		{"internal/webhook/webhook.go", "internal/fleet", "never see each other"},
		{"internal/api/native/routes.go", "internal/webhook", ""},
		{"internal/api/native/routes.go", "internal/api/klik", "surfaces never see each other"},
		{"internal/api/native/native_test.go", "internal/api/apitest", ""},
		{"internal/channel/smppchannel/session.go", "internal/smpp", ""},
		{"internal/channel/httpsms/session.go", "internal/smpp", "a network's words"},
		{"internal/channel/httpsms/session.go", "internal/gateway", "a network's words"},
		{"internal/channel/httpsms/session_test.go", "internal/simulator/provider", ""},
		{"internal/app/app.go", "internal/simulator/smsc", "holds no simulator"},
		{"internal/app/plugins.go", "internal/channel/smppchannel", ""},
		{"internal/simulator/smsc/smsc.go", "internal/fault", "share our mistakes"},
		{"internal/simulator/smsc/smsc.go", "internal/smpp", ""},
		{"cmd/tidings/main.go", "internal/wallet", "starts the wiring"},
		{"cmd/tidings/main.go", "internal/simulator/smsc", "starts the wiring"},
		{"cmd/sandbox/main.go", "internal/simulator/smsc", ""},
		{"test/chaos/main.go", "internal/gateway", "as its users do"},
		{"test/chaos/main.go", "internal/store/storetest", ""},
		{"test/chaos/main.go", "internal/store", "as its users do"},
		{"test/cluster/main.go", "internal/store/storetest", ""},
		{"test/cluster/main.go", "internal/store", "nothing of what the command is"},
		{"internal/helpers/helpers.go", "fmt", "not in the import table"},
		{"internal/simulator/smsc/deep/deep.go", "fmt", "not in the import table"},
	} {
		imported := c.imports
		if strings.HasPrefix(imported, "internal/") {
			imported = module + imported
		}
		got := strings.Join(complaints(source{c.file, []string{imported}}), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s imports %s: %q, want %q", c.file, c.imports, got, c.want)
		}
	}
}

// TestArrowsAreUnderstood finds names in the table that stand for nothing.
func TestArrowsAreUnderstood(t *testing.T) {
	for _, r := range table {
		if r.why == "" {
			t.Errorf("the rule for %s gives no reason", r.packages)
		}
		for _, name := range append(expand(r.packages), expand(r.may)...) {
			if strings.HasPrefix(name, "@") {
				t.Errorf("the rule for %s names the group %s, which is not there", r.packages, name)
			}
		}
	}
}

const module = "tidings.dev/"

// complaints tells what is wrong with the imports of a file, and why it matters.
func complaints(s source) []string {
	dir := strings.TrimPrefix(path.Dir(s.path), "internal/")
	owner := dir
	if isKit(dir) {
		owner = path.Dir(dir)
	}
	r, known := ruleOf(owner)
	if !known {
		return []string{fmt.Sprintf("%s: package %s is not in the import table of internal/app/arrows_test.go; give it a level there", s.path, dir)}
	}
	allowed := expand(r.may)
	if !r.alone {
		allowed = append(allowed, expand(anyone)...)
	}
	test := strings.HasSuffix(s.path, "_test.go")
	if test {
		allowed = append(allowed, expand(inTests)...)
	}
	mayTest := test || isKit(dir) || strings.HasPrefix(dir, "test/") || strings.HasPrefix(dir, "simulator")

	var found []string
	for _, imported := range s.imports {
		name, isOurs := strings.CutPrefix(imported, module)
		name = strings.TrimPrefix(name, "internal/")
		switch {
		case !isOurs && isTestLibrary(imported) && !mayTest:
			found = append(found, fmt.Sprintf("%s imports %s, which is for tests: in the product it would run for customers", s.path, imported))
		case !isOurs || name == owner || name == dir:
		case isKit(name) && !mayTest:
			found = append(found, fmt.Sprintf("%s imports %s, a test kit: in the product it would run for customers", s.path, name))
		case isKit(name) && (path.Dir(name) == owner || matches(allowed, path.Dir(name))):
		case !matches(allowed, name):
			found = append(found, fmt.Sprintf("%s imports %s, and may not: %s", s.path, name, r.why))
		}
	}
	return found
}

// isKit tells whether a package is the test kit of the one above it: channel/channeltest, api/apitest.
func isKit(dir string) bool { return path.Base(dir) == path.Base(path.Dir(dir))+"test" }

func isTestLibrary(imported string) bool {
	return slices.ContainsFunc(testLibraries, func(lib string) bool {
		return imported == lib || strings.HasPrefix(imported, lib+"/")
	})
}

// ruleOf finds the rule of a package; one that names it comes before one that matches it.
func ruleOf(dir string) (rule, bool) {
	for _, exact := range []bool{true, false} {
		for _, r := range table {
			names := expand(r.packages)
			if exact && slices.Contains(names, dir) || !exact && matches(names, dir) {
				return r, true
			}
		}
	}
	return rule{}, false
}

// matches tells whether a package is named by one of the patterns.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}

// expand lists the names that a text stands for, groups dissolved.
func expand(text string) []string {
	var names []string
	for _, name := range strings.Fields(text) {
		if group, ok := groups[name]; ok {
			names = append(names, expand(group)...)
			continue
		}
		names = append(names, name)
	}
	return names
}

// readSources finds every Go file of the module below the root.
func readSources(root string) ([]source, error) {
	var sources []source
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && file != root && notOurs(file, entry.Name()) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(file) != ".go" {
			return nil
		}
		s, err := readSource(root, file)
		sources = append(sources, s)
		return err
	})
	return sources, err
}

// notOurs tells whether a folder holds no packages of this module.
func notOurs(dir, name string) bool {
	if name == "testdata" || name == "node_modules" || name[0] == '.' || name[0] == '_' {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func readSource(root, file string) (source, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return source{}, err
	}
	relative, err := filepath.Rel(root, file)
	s := source{path: filepath.ToSlash(relative)}
	for _, spec := range parsed.Imports {
		imported, unquoteErr := strconv.Unquote(spec.Path.Value)
		if unquoteErr != nil {
			return source{}, unquoteErr
		}
		s.imports = append(s.imports, imported)
	}
	return s, err
}
