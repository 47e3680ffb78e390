package storetest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// process is what the system says of a process (proc(5), /proc/PID/stat).
type process struct {
	pid, parent int
	ended       bool // and nobody has asked how
}

// lookAt reads a process; false when there is none.
func lookAt(pid int) (p process, there bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return p, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the name before may hold anything
	if len(fields) < 2 {
		return p, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return process{pid, parent, fields[0][0] == 'Z' || fields[0][0] == 'X'}, err == nil
}

// childrenOf lists the processes that a process has started. Each of the server's is the leader of a group of its own, so
// that no signal reaches all of them.
func childrenOf(parent int) (children []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, there := lookAt(pid); there && p.parent == parent {
			children = append(children, pid)
		}
	}
	return children, nil
}

// awaitDeath waits until all of them have ended: a server does not start beside what is left of its last life.
func awaitDeath(pids []int) error {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		alive := 0
		for _, pid := range pids {
			if p, there := lookAt(pid); there && !p.ended {
				alive++
			}
		}
		if alive == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d processes outlive their kill", alive)
		}
	}
}
