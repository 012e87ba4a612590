/*
 * faulty_vfs: SQLite's own file system layer, with faults on order.
 *
 * Registered as the default VFS it passes every call to the real one, but writes or syncs of a WAL fail
 * as often as the test has asked for. The file is then in the state that a real disk would leave.
 */
#ifndef TAPEDECK_TESTS_FAULTY_VFS_H
#define TAPEDECK_TESTS_FAULTY_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>

static atomic_int faulty_writes; /* so many WAL writes fail with SQLITE_FULL */
static atomic_int
	faulty_syncs; /* so many WAL syncs fail with SQLITE_IOERR_FSYNC, after the writes */

static sqlite3_vfs faulty_vfs;
static sqlite3_vfs *faulty_real;
static sqlite3_io_methods faulty_wal_methods;
static const sqlite3_io_methods *faulty_real_methods;

static int faulty_take(atomic_int *count)
{
	int n = atomic_load(count);

	while (n > 0)
		if (atomic_compare_exchange_weak(count, &n, n - 1))
			return 1;
	return 0;
}

static int faulty_write(sqlite3_file *f, const void *bytes, int len, sqlite3_int64 at)
{
	return faulty_take(&faulty_writes) ? SQLITE_FULL
					   : faulty_real_methods->xWrite(f, bytes, len, at);
}

static int faulty_sync(sqlite3_file *f, int flags)
{
	return faulty_take(&faulty_syncs) ? SQLITE_IOERR_FSYNC
					  : faulty_real_methods->xSync(f, flags);
}

static int faulty_open(
	sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
	int rc = faulty_real->xOpen(vfs, name, f, flags, out);

	if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
		faulty_real_methods = f->pMethods;
		faulty_wal_methods = *f->pMethods;
		faulty_wal_methods.xWrite = faulty_write;
		faulty_wal_methods.xSync = faulty_sync;
		f->pMethods = &faulty_wal_methods;
	}
	return rc;
}

static void faulty_install(void)
{
	(void)sqlite3_initialize();
	faulty_real = sqlite3_vfs_find(NULL);
	faulty_vfs = *faulty_real;
	faulty_vfs.zName = "faulty";
	faulty_vfs.pNext = NULL;
	faulty_vfs.xOpen = faulty_open;
	(void)sqlite3_vfs_register(&faulty_vfs, 1);
}

#endif
