package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	Tail    bool // not the median is asked for, but what 95 of 100 samples keep to
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

// value is what is asked for, and beside are two that show how the samples lie around it.
func (f *Figure) value() float64 {
	if f.Tail {
		return quartile(f.Samples, 0.95)
	}
	return quartile(f.Samples, 0.5)
}

func (f *Figure) beside() (float64, float64) {
	if f.Tail {
		return quartile(f.Samples, 0.5), quartile(f.Samples, 0.99)
	}
	return quartile(f.Samples, 0.25), quartile(f.Samples, 0.75)
}

// verdict says plainly whether the value keeps to the floor.
func (f *Figure) verdict() string {
	if f.Floor == 0 {
		return ""
	}
	value := f.value()
	reached := func(goal float64) bool { return f.Lower && value <= goal || !f.Lower && value >= goal }
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
	printHeadOf(out, "median", "quarter", "3 quarters")
}

func printHeadOf(out io.Writer, value, low, high string) {
	head := strings.ReplaceAll(lineForm, "%3d", "%3s")
	fmt.Fprintf(out, head, "what", value, low, high, "n", "at least", "aim", "")
}

func (f *Figure) print(out io.Writer) {
	floor, aim := "", ""
	if f.Floor != 0 {
		floor, aim = digits(f.Floor), digits(f.Aim)
		if f.Lower {
			floor, aim = "<= "+floor, "<= "+aim
		}
	}
	name := f.Name
	if f.Unit != "" {
		name += ", " + f.Unit
	}
	low, high := f.beside()
	fmt.Fprintf(out, lineForm, name, digits(f.value()), digits(low), digits(high), len(f.Samples), floor, aim, f.verdict())
}

// digits shows three digits that matter.
func digits(v float64) string {
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
	p, err := statOf(pid)
	return p.cpu, err
}

// cpuOfFamily is that of a process and its children, also of those that have ended.
func cpuOfFamily(pid int) (time.Duration, error) {
	first, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	sum := first.cpu + first.ended
	for _, dir := range all {
		child, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if p, err := statOf(child); err == nil && p.parent == pid { // one that has just ended is counted by its parent
			sum += p.cpu
		}
	}
	return sum, nil
}

// stat is what the kernel tells of a process (proc(5)).
type stat struct {
	parent     int
	cpu, ended time.Duration // of itself, and of its children that have ended
}

func statOf(pid int) (p stat, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, err
	}
	_, rest, found := bytes.Cut(text, []byte(") ")) // the name before may hold spaces
	fields := bytes.Fields(rest)
	if !found || len(fields) < 15 {
		return p, fmt.Errorf("/proc/%d/stat is not as expected", pid)
	}
	var n [5]int64
	for i, at := range []int{1, 11, 12, 13, 14} {
		if n[i], err = strconv.ParseInt(string(fields[at]), 10, 64); err != nil {
			return p, err
		}
	}
	const tick = time.Second / ticks
	return stat{int(n[0]), time.Duration(n[1]+n[2]) * tick, time.Duration(n[3]+n[4]) * tick}, nil
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
