// Package channeltest has what tests of channels need: the suite that every driver passes, a sink that collects, and a
// scripted driver for tests of whoever uses drivers.
package channeltest
