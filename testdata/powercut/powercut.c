// powercut.c, loaded before libc, keeps beside a database what a power cut
// would leave of it: each file as it was at its last fsync.
//
// On every successful fsync or fdatasync of a file whose name holds ".db", the
// file is copied into the directory POWERCUT_DIR; unlink is followed there at
// once, because SQLite syncs the directory after it. A copy gets its name by
// rename, so that a process killed in between leaves the one before.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

// survivor writes the path in POWERCUT_DIR of a database file, or returns 0.
static int survivor(const char *path, char *out, size_t size) {
	const char *dir = getenv("POWERCUT_DIR");
	const char *name = strrchr(path, '/');
	name = name ? name + 1 : path;
	if (!dir || !strstr(name, ".db"))
		return 0;
	return snprintf(out, size, "%s/%s", dir, name) < (int)size;
}

static void copy(const char *from, const char *to) {
	static char block[1 << 16];
	char part[PATH_MAX + 8];
	ssize_t n = 0;
	snprintf(part, sizeof part, "%s.part", to);
	int in = open(from, O_RDONLY);
	int out = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	while (in >= 0 && out >= 0 && (n = read(in, block, sizeof block)) > 0)
		if (write(out, block, n) != n)
			abort();
	if (in < 0 || out < 0 || n < 0 || rename(part, to))
		abort();
	close(in);
	close(out);
}

static void reached_the_disk(int fd) {
	char link[64], path[PATH_MAX], to[PATH_MAX];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n <= 0)
		return;
	path[n] = 0;
	if (!survivor(path, to, sizeof to))
		return;
	pthread_mutex_lock(&one_at_a_time);
	copy(link, to);
	pthread_mutex_unlock(&one_at_a_time);
}

int fsync(int fd) {
	int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
	int result = real(fd);
	if (result == 0)
		reached_the_disk(fd);
	return result;
}

int fdatasync(int fd) {
	int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
	int result = real(fd);
	if (result == 0)
		reached_the_disk(fd);
	return result;
}

int unlink(const char *path) {
	int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
	int result = real(path);
	char copied[PATH_MAX];
	if (result == 0 && survivor(path, copied, sizeof copied))
		real(copied);
	return result;
}
