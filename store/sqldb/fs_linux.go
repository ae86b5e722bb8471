package sqldb

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// checkFileSystem refuses file systems over a network: their locks and their
// fsync do not keep what the store promises.
func checkFileSystem(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return err
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CODA_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.V9FS_MAGIC:
		return fmt.Errorf("%s is on a network file system, where a database can be lost; keep the data directory on a local disk", dir)
	}
	return nil
}
