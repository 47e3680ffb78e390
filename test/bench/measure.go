package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Figure is one measured thing: samples of rounds, and what is asked of their median.
type Figure struct {
	Name    string
	Unit    string
	Floor   float64 // 0: only told
	Aim     float64
	Lower   bool // less is better
	Samples []float64
}

func (f *Figure) add(sample float64) { f.Samples = append(f.Samples, sample) }

// quartile is the value below which the share of the samples lies, between neighbours in proportion.
func quartile(samples []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	if len(sorted) == 0 {
		return 0
	}
	place := share * float64(len(sorted)-1)
	low := int(place)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (place-float64(low))*(sorted[high]-sorted[low])
}

// verdict says plainly whether the median keeps to the floor.
func (f *Figure) verdict() string {
	if f.Floor == 0 {
		return ""
	}
	median := quartile(f.Samples, 0.5)
	reached := func(goal float64) bool { return f.Lower && median <= goal || !f.Lower && median >= goal }
	switch {
	case !reached(f.Floor):
		return "MISSED"
	case f.Aim != 0 && reached(f.Aim):
		return "aim reached"
	}
	return "ok"
}

const lineForm = "%-58s %10s %10s %10s %3d  %9s %9s  %s\n"

func printHead(out io.Writer) {
	head := strings.ReplaceAll(lineForm, "%3d", "%3s")
	fmt.Fprintf(out, head, "what", "median", "quarter", "3 quarters", "n", "at least", "aim", "")
}

func (f *Figure) print(out io.Writer) {
	floor, aim := "", ""
	if f.Floor != 0 {
		floor, aim = number(f.Floor), number(f.Aim)
		if f.Lower {
			floor, aim = "<= "+floor, "<= "+aim
		}
	}
	name := f.Name
	if f.Unit != "" {
		name += ", " + f.Unit
	}
	fmt.Fprintf(out, lineForm, name, number(quartile(f.Samples, 0.5)), number(quartile(f.Samples, 0.25)), number(quartile(f.Samples, 0.75)),
		len(f.Samples), floor, aim, f.verdict())
}

// number shows three digits that matter.
func number(v float64) string {
	switch {
	case v >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// ticks is USER_HZ, in which the kernel shows times; it is 100 on every Linux that Go runs on.
const ticks = 100

// cpuOf is the time that a process has spent on a CPU, in user and system mode.
func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := bytes.Cut(text, []byte(") ")) // the name before may hold spaces
	fields := bytes.Fields(rest)
	if !found || len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is not as expected", pid)
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * time.Second / ticks, err
}

// residentOf is the memory of a process, in MB of a million bytes.
func residentOf(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status names no VmRSS", pid)
}
