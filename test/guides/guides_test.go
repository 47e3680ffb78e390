// Package guides runs what the guides tell people to type, and sees that it prints what they promise.
package guides

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidings.dev/test/product"
)

// command is one line that is typed, and the lines that follow it.
type command struct {
	line     int
	text     string
	expected []string
}

// blocks reads the commands of all blocks that are marked as a console: what follows "$ " is typed, "> " continues it, and all else is
// what it prints.
func blocks(t *testing.T, file string) (list []command) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case line == "```console":
			inside = true
		case line == "```":
			inside = false
		case !inside:
		case strings.HasPrefix(line, "$ "):
			list = append(list, command{line: i + 1, text: line[2:]})
		case len(list) == 0:
			t.Fatalf("%s:%d: nothing has been typed yet", file, i+1)
		case strings.HasPrefix(line, "> "):
			list[len(list)-1].text += "\n" + line[2:]
		default:
			list[len(list)-1].expected = append(list[len(list)-1].expected, line)
		}
	}
	return list
}

// pattern is what the lines promise: … stands for anything within a line, and alone in a line for any lines.
func pattern(lines []string) string {
	var out strings.Builder
	out.WriteString("^")
	for _, line := range lines {
		if line == "…" {
			out.WriteString(`(?:[^\n]*\n)*?`)
			continue
		}
		out.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", `[^\n]*`) + `\n`)
	}
	return out.String() + "$"
}

// world is where a guide is followed: the folders and ports that it names are ours alone.
type world struct{ there, back *strings.Replacer }

func newWorld(t *testing.T, root string) world {
	t.Helper()
	var there, back []string
	for _, folder := range []string{"/etc/tidings", "/var/lib/tidings", "/var/backups/tidings"} {
		there, back = append(there, folder, root+folder), append(back, root+folder, folder)
		if err := os.MkdirAll(filepath.Dir(root+folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, port := range []string{"8080", "8081", "8443"} {
		at, err := product.FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		_, free, err := net.SplitHostPort(at)
		if err != nil {
			t.Fatal(err)
		}
		there, back = append(there, ":"+port, ":"+free), append(back, ":"+free, ":"+port)
	}
	return world{strings.NewReplacer(there...), strings.NewReplacer(back...)}
}

// shell is a shell that somebody types into.
type shell struct {
	in  io.Writer
	out *bufio.Reader
	n   int
}

func open(t *testing.T, binary, root string) *shell {
	t.Helper()
	bash := exec.Command("bash")
	bash.Dir = root
	bash.Env = []string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + root, "TIDINGS_LIMITS_DISK_FLOOR=1MiB", "LC_ALL=C.UTF-8"}
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := bash.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	bash.Stdout, bash.Stderr = write, write
	if err := bash.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-bash.Process.Pid, syscall.SIGKILL) // the shell, and the servers that it started
		_ = bash.Wait()
		_ = write.Close()
		_ = read.Close()
	})
	if err := read.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &shell{in: in, out: bufio.NewReader(read)}
}

// types runs a command and returns what it printed and how it ended.
func (s *shell) types(t *testing.T, text string) (printed, status string) {
	t.Helper()
	s.n++
	mark := fmt.Sprintf("===%d===", s.n)
	if _, err := fmt.Fprintf(s.in, "%s\necho %s $?\n", text, mark); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v after %q", text, err, out.String()+line)
		}
		if before, after, ended := strings.Cut(line, mark); ended {
			out.WriteString(before)
			return out.String(), strings.TrimSpace(after)
		}
		out.WriteString(line)
	}
}

func TestGuidesDoWhatTheySay(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"curl", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the guides use %s, which is not installed: apt-get install %s", tool, tool)
		}
	}
	binary := filepath.Join(t.TempDir(), "tidings")
	if err := product.Build(t.Context(), "./cmd/tidings", binary); err != nil {
		t.Fatal(err)
	}
	for _, guide := range []string{"quick-start", "tls", "backup"} {
		t.Run(guide, func(t *testing.T) {
			t.Parallel()
			file := "../../docs/guides/" + guide + ".md"
			commands := blocks(t, file)
			if len(commands) < 5 {
				t.Fatalf("only %d commands found", len(commands))
			}
			root := t.TempDir()
			w, s := newWorld(t, root), open(t, binary, root)
			for _, c := range commands {
				printed, status := s.types(t, w.there.Replace(c.text))
				printed = w.back.Replace(printed)
				if status != "0" || !regexp.MustCompile(pattern(c.expected)).MatchString(printed) {
					t.Fatalf("%s:%d: %s\nended with %s and printed\n%s\nwant\n%s", file, c.line, c.text, status, printed, strings.Join(c.expected, "\n"))
				}
			}
		})
	}
}

// TestThePatternIsStrict: a guide that promises too much must fail.
func TestThePatternIsStrict(t *testing.T) {
	for _, c := range []struct {
		promised, printed string
		kept              bool
	}{
		{"a … c", "a b c\n", true},
		{"a … c", "a b\nc\n", false},
		{"a\n…\nc", "a\nb\nb\nc\n", true},
		{"a\n…\nc", "a\nc\n", true},
		{"a", "a\nb\n", false},
		{"a", "", false},
		{"a.c", "abc\n", false},
	} {
		if got := regexp.MustCompile(pattern(strings.Split(c.promised, "\n"))).MatchString(c.printed); got != c.kept {
			t.Errorf("%q for %q: %v", c.printed, c.promised, got)
		}
	}
}
