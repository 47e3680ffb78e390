// Package whatsapp is the far side of WhatsApp's linked devices, on loopback: the servers that the unmodified library whatsmeow
// talks to, and phones that do as they are told.
package whatsapp
