/*
 * A configuration of any bytes. What is asserted: it is refused with a message, or what was read can be
 * printed as JSON. Files that it names are looked for in a directory that holds only the input; devices,
 * which may block or never end, are left alone.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/tapedeck-fuzz-config-XXXXXX";
static char path[64];

static void remove_directory(void)
{
	(void)unlink(path);
	(void)rmdir(directory);
}

/* The same file for all inputs of this process. */
static void write_file(const uint8_t *data, size_t size)
{
	FILE *file;

	if (path[0] == '\0') {
		if (mkdtemp(directory) == NULL)
			abort();
		(void)snprintf(path, sizeof(path), "%s/c.json", directory);
		(void)atexit(remove_directory);
	}
	file = fopen(path, "w");
	if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
		abort();
}

static void check_print(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct err e;

	if (out == NULL)
		abort();
	assert(config_print(c, out, &e));
	if (fclose(out) != 0)
		abort();
	assert(json_validate((struct slice){ text, len }, NULL, &e));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = NULL;
	struct err e = { 0 };

	if (size != 0 && memmem(data, size, "/dev", 4) != NULL)
		return 0;
	write_file(data, size);
	if (!config_load(&c, path, &e)) {
		assert(c == NULL && e.code != ERR_NONE && e.text[0] != '\0');
		return 0;
	}
	assert(c->n_feeds != 0 && c->database != NULL);
	check_print(c);
	config_free(c);
	return 0;
}
