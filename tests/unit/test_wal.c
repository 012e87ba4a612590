#include "store/wal.h"

#include "scratch.h"
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_lock_is_read(void **state)
{
	struct wal_lock_line l;

	(void)state;
	assert_true(wal_parse_lock("12: POSIX  ADVISORY  READ 4711 fe:01:131090 124 124\n", &l));
	assert_int_equal(l.pid, 4711);
	assert_int_equal(l.major, 0xfe);
	assert_int_equal(l.minor, 1);
	assert_int_equal(l.inode, 131090);
	assert_int_equal(l.first, 124);
	assert_int_equal(l.last, 124);
	assert_true(wal_parse_lock("1: OFDLCK ADVISORY  WRITE -1 00:2a:9 0 EOF\n", &l));
	assert_true(l.pid == -1 && l.last == UINT64_MAX);
}

static void what_is_no_lock_on_bytes_is_left_out(void **state)
{
	static const char *const lines[] = { "", "\n", "x",
		"2: FLOCK  ADVISORY  WRITE 1 fe:01:3 0 EOF",
		"3: -> POSIX  ADVISORY  WRITE 1 fe:01:3 120 120",
		"4: POSIX  ADVISORY  WRITE 1 fe:01:3 120",
		"5: POSIX  ADVISORY  WRITE one fe:01:3 120 120" };
	struct wal_lock_line l;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(wal_parse_lock(lines[i], &l));
}

/* A child that holds a byte of the file until it is killed. */
static pid_t lock_in_child(const char *path, short type, off_t byte)
{
	int ready[2];
	char told;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct flock lock = {
			.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
		};
		int fd = open(path, O_RDWR | O_CREAT, 0600);

		if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &told, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static void the_holder_of_a_lock_is_found(void **state)
{
	struct scratch s;
	char recording[PATH_MAX];
	struct wal_holder h;
	pid_t reader;

	(void)state;
	scratch_open(&s);
	(void)snprintf(recording, sizeof(recording), "%s", scratch_file(&s, "market.db"));
	wal_find_holder(recording, WAL_LOCK_READ, &h);
	assert_int_equal(h.pid, 0);
	reader = lock_in_child(scratch_file(&s, "market.db-shm"), F_RDLCK, 125);
	wal_find_holder(recording, WAL_LOCK_READ, &h);
	assert_int_equal(h.pid, reader);
	assert_string_equal(h.program, "test_wal");
	wal_find_holder(recording, WAL_LOCK_WRITE, &h);
	assert_int_equal(h.pid, 0);
	(void)kill(reader, SIGKILL);
	(void)waitpid(reader, NULL, 0);
	wal_find_holder(recording, WAL_LOCK_READ, &h);
	assert_int_equal(h.pid, 0);
	scratch_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lock_is_read),
		cmocka_unit_test(what_is_no_lock_on_bytes_is_left_out),
		cmocka_unit_test(the_holder_of_a_lock_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
