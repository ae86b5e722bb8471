/*
 * A power cut for tests: keeps, in POWERCUT_DIR, a copy of each database file
 * as it was at its last fsync or fdatasync. What is there is what a disk is
 * bound to have after the power fails. Preload it (LD_PRELOAD) into a program
 * that is then killed, and let the program start again from the copies.
 *
 * Unlinking a file unlinks its copy: SQLite ends a rollback journal that way.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int copy_path(const char *path, char *copy, size_t size) {
	const char *dir = getenv("POWERCUT_DIR");
	const char *name = strrchr(path, '/');
	if (!dir || !name || !strstr(name, ".db")) return 0;
	return snprintf(copy, size, "%s%s", dir, name) < (int)size;
}

static void keep(int fd) {
	char link[64], path[4096], copy[4096], part[4200], block[1 << 16];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length <= 0) return;
	path[length] = 0;
	if (!copy_path(path, copy, sizeof copy)) return;
	snprintf(part, sizeof part, "%s.part%d", copy, fd);
	int in = open(path, O_RDONLY | O_CLOEXEC);
	int out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int whole = in >= 0 && out >= 0;
	ssize_t n;
	while (whole && (n = read(in, block, sizeof block)) > 0) whole = write(out, block, n) == n;
	if (in >= 0) close(in);
	if (out >= 0) close(out);
	if (whole) rename(part, copy);
	else unlink(part);
}

int fsync(int fd) {
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	int result = real(fd);
	if (result == 0) keep(fd);
	return result;
}

int fdatasync(int fd) {
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	int result = real(fd);
	if (result == 0) keep(fd);
	return result;
}

int unlink(const char *path) {
	int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
	int result = real(path);
	char copy[4096];
	if (result == 0 && copy_path(path, copy, sizeof copy)) real(copy);
	return result;
}
