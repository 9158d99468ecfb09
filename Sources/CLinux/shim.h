// System calls and constants that Swift's Glibc module does not show. Only SnapStoreIO imports this.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
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

// The same file once more, with O_DIRECT: by its descriptor, since its name may have changed.
static inline int linux_open_direct(int file, int access) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  return open(path, access | __O_DIRECT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

// How many pages of a range the page cache has, by cachestat: since Linux 6.5, and not for everybody.
static inline long linux_cached_pages(int file, long long offset, unsigned long long length) {
  struct { unsigned long long offset, length; } range = {(unsigned long long)offset, length};
  struct { unsigned long long cached, dirty, writeback, evicted, recently_evicted; } counts;
  return syscall(451, file, &range, &counts, 0u) == 0 ? (long)counts.cached : -1;
}

// The same by mincore. The mapping is never touched.
static inline long linux_mapped_pages(int file, long long offset, unsigned long long length) {
  enum { pages_at_once = 1024 };
  const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
  const unsigned long before = (unsigned long)offset % page;
  const unsigned long pages = (before + length + page - 1) / page;
  unsigned char is_cached[pages_at_once];
  unsigned char *start = (unsigned char *)mmap(NULL, pages * page, PROT_NONE, MAP_SHARED, file,
                                               offset - (long long)before);
  if (start == MAP_FAILED) return -1;
  long cached = 0;
  for (unsigned long done = 0; done < pages && cached >= 0; done += pages_at_once) {
    const unsigned long count = pages - done < pages_at_once ? pages - done : pages_at_once;
    const int failed = mincore(start + done * page, count * page, is_cached);
    for (unsigned long i = 0; i < count && !failed; i++) cached += is_cached[i] & 1;
    if (failed) cached = -1;
  }
  const int error = errno;
  munmap(start, pages * page);
  errno = error;
  return cached;
}

static inline long long linux_seek(int file, long long offset, int whence) {
  return (long long)lseek(file, (off_t)offset, whence);
}

// Whether another open file or process holds a record lock on a byte (F_OFD_GETLK).
static inline int linux_is_locked(int file, long long offset) {
  struct flock lock = {0};
  lock.l_type = F_WRLCK;
  lock.l_whence = 0;
  lock.l_start = (off_t)offset;
  lock.l_len = 1;
  if (fcntl(file, 36, &lock) != 0) return -1;
  return lock.l_type != F_UNLCK;
}

// Whether the file is open for writing anywhere: then no read lease (F_SETLEASE) can be had. Who
// opens it for writing in the moment in which we have one gets it a moment later, and we get a
// signal: F_SETSIG chooses SIGURG, which is ignored, since SIGIO would end the process.
static inline int linux_is_open_for_writing(int file) {
  if (fcntl(file, 10, 23) != 0) return -1;
  if (fcntl(file, 1024, F_RDLCK) != 0) return errno == EAGAIN ? 1 : -1;
  if (fcntl(file, 1024, F_UNLCK) != 0) return -1;
  return 0;
}

enum { linux_seek_data = 3, linux_seek_hole = 4 };

// A file in memory that has no name.
static inline int linux_file_in_memory(const char *label) {
  return (int)syscall(SYS_memfd_create, label, 1u);
}

// Starts a program: standard input from a descriptor, standard output to nowhere, standard error as
// here, and no other descriptor; the leader of a process group, with no signal ignored or blocked.
// Returns an errno, or 0.
static inline int linux_start_program(pid_t *process, const char *path, char *const arguments[],
                                      char *const environment[], int input) {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  int error = posix_spawnattr_init(&attributes);
  if (error != 0) return error;
  error = posix_spawn_file_actions_init(&actions);
  if (error != 0) {
    posix_spawnattr_destroy(&attributes);
    return error;
  }
  error = posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  if (error == 0) error = posix_spawnattr_setpgroup(&attributes, 0);
  if (error == 0) error = posix_spawnattr_setsigdefault(&attributes, &all);
  if (error == 0) error = posix_spawnattr_setsigmask(&attributes, &none);
  if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, input, 0);
  if (error == 0) error = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (error == 0) error = posix_spawn(process, path, &actions, &attributes, arguments, environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error;
}

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
          : (unsigned long long)buffer.f_bavail *
                (unsigned long long)(buffer.f_frsize > 0 ? buffer.f_frsize : buffer.f_bsize);
  return 0;
}
