//go:build unix && !linux

package server

import (
	"net"
	"os"
	"syscall"
)

const modesMatter = true

// peerUID is not known here; the 0600 token proves the same OS user or root.
func peerUID(net.Conn) string { return "" }

func ownedByUs(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}
