/*
 * page_file: the files of the web page, as they are in the program.
 */
#ifndef TAPEDECK_REPLAY_PAGE_FILE_H
#define TAPEDECK_REPLAY_PAGE_FILE_H

#include <stddef.h>

struct page_file {
	const char *path; /* of the address */
	const char *type;
	const unsigned char *bytes;
	size_t size;
};

/* Made at build time from tools/replay/page. */
extern const struct page_file page_files[];
extern const size_t page_files_count;

#endif
