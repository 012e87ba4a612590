#include "store/wal.h"

#include "base/log.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TOLD_US 60000000

static const struct {
	uint64_t first;
	uint64_t last;
} lock_bytes[] = {
	[WAL_LOCK_WRITE] = { 120, 120 },
	[WAL_LOCK_READ] = { 123, 127 },
};

bool wal_parse_lock(const char *line, struct wal_lock_line *out)
{
	char kind[16];
	char last[24];
	int pid;
	char *end;

	/* A lock that is waited for has "->" behind its number. */
	if (sscanf(line, "%*[0-9]: %15s %*s %*s %d %x:%x:%" SCNu64 " %" SCNu64 " %23s", kind, &pid,
		    &out->major, &out->minor, &out->inode, &out->first, last) != 7)
		return false;
	if (strcmp(kind, "POSIX") != 0 && strcmp(kind, "OFDLCK") != 0)
		return false;
	out->pid = (pid_t)pid;
	out->last = UINT64_MAX;
	if (strcmp(last, "EOF") != 0)
		out->last = strtoull(last, &end, 10);
	return true;
}

static void read_program(struct wal_holder *h)
{
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)h->pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fgets(h->program, sizeof(h->program), f) != NULL)
		h->program[strcspn(h->program, "\n")] = '\0';
	(void)fclose(f);
}

void wal_find_holder(const char *recording, enum wal_lock lock, struct wal_holder *out)
{
	char path[PATH_MAX];
	char line[256];
	struct stat st;
	FILE *f;

	*out = (struct wal_holder){ 0 };
	if (snprintf(path, sizeof(path), "%s-shm", recording) >= (int)sizeof(path) ||
		stat(path, &st) != 0)
		return;
	f = fopen("/proc/locks", "re");
	if (f == NULL)
		return;
	while (out->pid == 0 && fgets(line, sizeof(line), f) != NULL) {
		struct wal_lock_line l;

		if (wal_parse_lock(line, &l) && l.pid > 0 && l.pid != getpid() &&
			l.inode == st.st_ino && l.major == major(st.st_dev) &&
			l.minor == minor(st.st_dev) && l.first <= lock_bytes[lock].last &&
			l.last >= lock_bytes[lock].first)
			out->pid = l.pid;
	}
	(void)fclose(f);
	if (out->pid != 0)
		read_program(out);
}

static void tell(const char *recording, uint64_t bytes, int64_t for_us)
{
	struct wal_holder h;

	wal_find_holder(recording, WAL_LOCK_READ, &h);
	log_line(LOG_WARN,
		"a reader keeps a transaction open, so the WAL cannot shrink and grows with all that is "
		"recorded; end its query, or the program",
		log_text("file", recording), log_int("wal_bytes", (int64_t)bytes),
		log_int("pid", h.pid), log_text("program", h.program),
		log_int("for_s", for_us / 1000000));
}

void wal_watch(struct wal_watch *w, const char *recording, int64_t mono_us)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s-wal", recording) >= (int)sizeof(path) ||
		stat(path, &st) != 0)
		return;
	if ((uint64_t)st.st_size <= WAL_PINNED_BYTES) {
		if (w->pinned_us != 0)
			log_line(LOG_INFO, "the WAL has shrunk again", log_text("file", recording),
				log_int("wal_bytes", st.st_size));
		*w = (struct wal_watch){ 0 };
		return;
	}
	if (w->pinned_us == 0)
		w->pinned_us = mono_us;
	if (w->told_us != 0 && mono_us - w->told_us < TOLD_US)
		return;
	w->told_us = mono_us;
	tell(recording, (uint64_t)st.st_size, mono_us - w->pinned_us);
}
