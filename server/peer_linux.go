package server

import (
	"net"
	"os"
	"strconv"
	"syscall"
)

const modesMatter = true

// peerUID returns the OS user id at the other end of a Unix socket, as the
// kernel vouches for it (unix(7), SO_PEERCRED): that of whoever connected.
func peerUID(c net.Conn) string {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return ""
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return ""
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil || credErr != nil {
		return ""
	}
	return strconv.FormatUint(uint64(cred.Uid), 10)
}

func ownedByUs(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}
