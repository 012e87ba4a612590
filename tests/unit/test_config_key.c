#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "config/config.h"
#include "scratch.h"

#define KEY "sk_test_0123456789abcdef"
#define VARIABLE "TAPEDECK_TEST_KEY"

static void write_key(struct scratch *s, const char *bytes, size_t len, mode_t mode)
{
	FILE *file = fopen(scratch_file(s, "key"), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(s->path, mode), 0);
}

static struct config_token token_of(enum config_key_source source, const char *name)
{
	return (struct config_token){ .key_source = source, .key_name = name };
}

static void assert_key(const struct config_token *t, const char *want)
{
	struct secret *key = NULL;
	struct err e = { 0 };

	if (!config_api_key(t, &key, &e))
		fail_msg("no key: %s", e.text);
	assert_slice(secret_reveal(key), want);
	secret_free(key);
}

/* The message must hold `text`, and nothing of the key. */
static void assert_no_key(const struct config_token *t, const char *text)
{
	struct secret *key = NULL;
	struct err e = { 0 };

	assert_false(config_api_key(t, &key, &e));
	assert_null(key);
	if (strstr(e.text, text) == NULL)
		fail_msg("\"%s\" does not say: %s", e.text, text);
	assert_null(strstr(e.text, "sk_test"));
}

static void a_trailing_line_end_is_cut(void **state)
{
	static const char *const files[] = { KEY, KEY "\n", KEY "\r\n" };
	struct scratch s;

	(void)state;
	scratch_open(&s);
	for (size_t i = 0; i < COUNT(files); i++) {
		struct config_token t;

		write_key(&s, files[i], strlen(files[i]), 0600);
		t = token_of(CONFIG_KEY_FILE, s.path);
		assert_key(&t, KEY);
	}
	scratch_close(&s);
}

static void a_file_that_is_no_key_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *message;
	} files[] = {
		{ "", 0, "key' is empty" },
		{ "\n", 1, "key' is empty" },
		{ "\r\n", 2, "key' is empty" },
		{ KEY "\n\n", sizeof(KEY) + 1, "has a line end or a NUL inside" },
		{ KEY "\n" KEY, 2 * sizeof(KEY) - 1, "has a line end or a NUL inside" },
		{ KEY "\rx", sizeof(KEY) + 1, "has a line end or a NUL inside" },
		{ KEY "\0", sizeof(KEY), "has a line end or a NUL inside" },
	};
	struct scratch s;

	(void)state;
	scratch_open(&s);
	for (size_t i = 0; i < COUNT(files); i++) {
		struct config_token t;

		write_key(&s, files[i].bytes, files[i].len, 0600);
		t = token_of(CONFIG_KEY_FILE, s.path);
		assert_no_key(&t, files[i].message);
	}
	scratch_close(&s);
}

static void a_key_has_a_largest_size(void **state)
{
	struct scratch s;
	struct config_token t;
	char *bytes = malloc(CONFIG_KEY_MAX + 2);
	struct secret *key = NULL;
	struct err e = { 0 };

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'k', CONFIG_KEY_MAX + 2);
	scratch_open(&s);
	write_key(&s, bytes, CONFIG_KEY_MAX, 0600);
	t = token_of(CONFIG_KEY_FILE, s.path);
	assert_true(config_api_key(&t, &key, &e));
	assert_int_equal(secret_reveal(key).len, CONFIG_KEY_MAX);
	secret_free(key);
	write_key(&s, bytes, CONFIG_KEY_MAX + 1, 0600);
	assert_no_key(&t, "it is larger than 16384 bytes");
	free(bytes);
	scratch_close(&s);
}

static void a_missing_file_says_how_to_make_one(void **state)
{
	struct config_token t = token_of(CONFIG_KEY_FILE, "/nonexistent/api-key");

	(void)state;
	assert_no_key(&t,
		"no API key: cannot read '/nonexistent/api-key': No such file or directory; "
		"put it there with: (umask 077 && cat > '/nonexistent/api-key')");
}

/* The log's only line, or "" if nothing was logged. */
static void read_log(struct scratch *s, char *line, size_t size)
{
	FILE *file = fopen(scratch_file(s, "log"), "r");

	assert_non_null(file);
	line[0] = '\0';
	(void)!fgets(line, (int)size, file);
	(void)fclose(file);
}

static void a_file_that_others_can_read_is_warned_about(void **state)
{
	static const struct {
		mode_t mode;
		bool warns;
	} cases[] = { { 0600, false }, { 0640, false }, { 0644, true } };
	struct scratch s;
	struct err e = { 0 };

	(void)state;
	scratch_open(&s);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config_token t;
		char path[PATH_MAX], line[512], command[PATH_MAX + 16];

		assert_true(log_open(LOG_INFO, LOG_TEXT, scratch_file(&s, "log"), &e));
		write_key(&s, KEY, strlen(KEY), cases[i].mode);
		(void)snprintf(path, sizeof(path), "%s", s.path);
		t = token_of(CONFIG_KEY_FILE, path);
		assert_key(&t, KEY);
		log_close();
		read_log(&s, line, sizeof(line));
		(void)snprintf(command, sizeof(command), "chmod 600 '%s'", path);
		assert_int_equal(strstr(line, command) != NULL, cases[i].warns);
		assert_null(strstr(line, "sk_test"));
		assert_int_equal(unlink(scratch_file(&s, "log")), 0);
	}
	scratch_close(&s);
}

static void a_variable_is_blanked_and_read_again(void **state)
{
	struct config_token t = token_of(CONFIG_KEY_ENV, VARIABLE);
	const char *memory;

	(void)state;
	assert_no_key(&t, "the environment variable '" VARIABLE "' is not set");
	assert_int_equal(setenv(VARIABLE, KEY, 1), 0);
	memory = getenv(VARIABLE);
	assert_key(&t, KEY);
	for (size_t i = 0; i < strlen(KEY); i++)
		assert_int_equal(memory[i], '\0');
	/* A reload, with nothing left in the environment. */
	assert_key(&t, KEY);
	assert_key(&t, KEY);
	assert_int_equal(unsetenv(VARIABLE), 0);
	assert_key(&t, KEY);
	assert_int_equal(setenv(VARIABLE, KEY "-2\n", 1), 0);
	assert_key(&t, KEY "-2");
	assert_key(&t, KEY "-2");
}

static void an_empty_variable_is_no_key(void **state)
{
	struct config_token t = token_of(CONFIG_KEY_ENV, VARIABLE "_EMPTY");

	(void)state;
	assert_int_equal(setenv(VARIABLE "_EMPTY", "", 1), 0);
	assert_no_key(&t, "the environment variable '" VARIABLE "_EMPTY' is not set");
}

static void a_credential_is_read_where_systemd_puts_it(void **state)
{
	struct scratch s;
	struct config_token t = token_of(CONFIG_KEY_CREDENTIAL, "key");
	struct config_token other = token_of(CONFIG_KEY_CREDENTIAL, "other");

	(void)state;
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_no_key(&t, "the unit needs LoadCredential=key:");
	scratch_open(&s);
	write_key(&s, KEY "\n", sizeof(KEY), 0400);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", s.dir, 1), 0);
	assert_key(&t, KEY);
	assert_no_key(&other, "No such file or directory; the unit needs LoadCredential=other:");
	scratch_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trailing_line_end_is_cut),
		cmocka_unit_test(a_file_that_is_no_key_is_refused),
		cmocka_unit_test(a_key_has_a_largest_size),
		cmocka_unit_test(a_missing_file_says_how_to_make_one),
		cmocka_unit_test(a_file_that_others_can_read_is_warned_about),
		cmocka_unit_test(a_variable_is_blanked_and_read_again),
		cmocka_unit_test(an_empty_variable_is_no_key),
		cmocka_unit_test(a_credential_is_read_where_systemd_puts_it),
	};

	return cmocka_run_group_tests_name("config_key", tests, NULL, NULL);
}
