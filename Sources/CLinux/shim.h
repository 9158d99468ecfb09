// System calls and constants that Swift's Glibc module does not show. Only SnapStoreIO imports this.
#include <errno.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static inline int linux_rename_noreplace(int from_directory, const char *from, int to_directory,
                                         const char *to) {
  return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, 1u);
}

// Starts writing dirty pages of a range without waiting for them (SYNC_FILE_RANGE_WRITE).
static inline int linux_start_writeback(int file, long long offset, long long length) {
  return (int)syscall(SYS_sync_file_range, file, offset, length, 2u);
}

static inline long long linux_seek(int file, long long offset, int whence) {
  return (long long)lseek(file, (off_t)offset, whence);
}

enum { linux_seek_data = 3, linux_seek_hole = 4 };

struct linux_file_system {
  unsigned long long type;
  unsigned long long available_bytes;
};

static inline int linux_file_system_status(int file, struct linux_file_system *status) {
  struct statfs buffer;
  if (fstatfs(file, &buffer) != 0) return -1;
  status->type = (unsigned long long)buffer.f_type & 0xffffffffULL;
  // A file system without limit of its own (tmpfs with size=0, ramfs) says that it has no blocks.
  status->available_bytes =
      buffer.f_blocks == 0
          ? 0x7fffffffffffffffULL
          : (unsigned long long)buffer.f_bavail * (unsigned long long)buffer.f_bsize;
  return 0;
}
