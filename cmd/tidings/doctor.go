package main

import (
	"errors"

	"tidings.dev/internal/app"
)

type doctorCommand struct{}

// errUnwell ends the doctor's command; what is wrong was printed.
var errUnwell = errors.New("something is wrong; see the lines with fail")

// Run looks at everything that the installation needs. It is a failure when something keeps the server from working.
func (doctorCommand) Run(s *session) error {
	var findings []app.Finding
	if s.mistakes != nil {
		findings = []app.Finding{{Check: "settings", Verdict: app.Fail, Text: s.mistakes.Error(), Advice: "tidings check --sample shows every setting"}}
	} else {
		findings = app.Examine(s.ctx, s.cfg)
	}
	bad := false
	for _, f := range findings {
		bad = bad || f.Verdict == app.Fail
		s.tell("%-4s  %-12s  %s\n", f.Verdict, f.Check, f.Text)
		if f.Advice != "" {
			s.tell("      %-12s  -> %s\n", "", f.Advice)
		}
	}
	if s.all.JSON {
		if err := s.print(findings, ""); err != nil {
			return err
		}
	}
	if bad {
		return errUnwell
	}
	return nil
}
