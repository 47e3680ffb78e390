//go:build !simulated_networks

package main

import "tidings.dev/internal/app"

// networks are the real ones.
func networks() []app.Networks { return nil }
