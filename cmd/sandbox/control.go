package main

import (
	"encoding/json"
	"net/http"
)

// history answers what a network has seen, one JSON object a line.
func (w *world) history(out http.ResponseWriter, r *http.Request) {
	write := w.smsc.WriteHistory
	switch network := r.URL.Query().Get("network"); network {
	case "", "smsc":
	case "whatsapp":
		write = w.whatsapp.WriteHistory
	default:
		http.Error(out, "there is no network "+network+"; try smsc or whatsapp", http.StatusNotFound)
		return
	}
	out.Header().Set("Content-Type", "application/jsonl")
	_ = write(out)
}

// inbound has a phone write to us.
func (w *world) inbound(out http.ResponseWriter, r *http.Request) {
	var in struct {
		From string `json:"from"`
		To   string `json:"to"`
		Text string `json:"text"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.From == "" || in.To == "" {
		http.Error(out, `send {"from":"+254700000001","to":"20880","text":"Hello"}`, http.StatusBadRequest)
		return
	}
	if err := w.smsc.Inbound(in.From, in.To, in.Text); err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	out.WriteHeader(http.StatusAccepted)
}
