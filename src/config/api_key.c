#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/log.h"
#include "config/file.h"

/* What was taken from the environment, for the next reload. It lives as long as the process. */
struct kept_variable {
	struct kept_variable *next;
	char *name;
	struct secret *value;
};

static struct kept_variable *kept_variables;

static struct kept_variable *find_kept(const char *name)
{
	struct kept_variable *k = kept_variables;

	while (k != NULL && strcmp(k->name, name) != 0)
		k = k->next;
	return k;
}

/* Keeps a value aside; one that was kept before under this name makes room. */
static bool keep(const char *name, struct slice value)
{
	struct kept_variable *k = find_kept(name);
	struct secret *copy = secret_new(value);

	if (copy == NULL)
		return false;
	if (k != NULL) {
		secret_free(k->value);
		k->value = copy;
		return true;
	}
	k = calloc(1, sizeof(*k));
	if (k != NULL)
		k->name = strdup(name);
	if (k == NULL || k->name == NULL) {
		free(k);
		secret_free(copy);
		return false;
	}
	k->value = copy;
	k->next = kept_variables;
	kept_variables = k;
	return true;
}

static bool nomem(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read the API key: out of memory");
}

/* Checks the bytes that `from` gave and makes a secret of them. One line end at their end is an editor's. */
static bool make_key(struct slice bytes, const char *from, struct secret **out, struct err *e)
{
	struct secret *key;

	if (bytes.len != 0 && bytes.ptr[bytes.len - 1] == '\n')
		bytes.len--;
	if (bytes.len != 0 && bytes.ptr[bytes.len - 1] == '\r')
		bytes.len--;
	if (bytes.len == 0)
		return err_set(e, ERR_CONFIG, "the API key in '%s' is empty", from);
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.ptr[i] == '\r' || bytes.ptr[i] == '\n' || bytes.ptr[i] == '\0')
			return err_set(e, ERR_CONFIG,
				"the API key in '%s' has a line end or a NUL inside; it must be one "
				"line",
				from);
	key = secret_new(bytes);
	if (key == NULL)
		return nomem(e);
	*out = key;
	return true;
}

/* Reads a file without leaving copies of its bytes in freed memory. */
static bool read_key_file(const char *path, mode_t *mode, struct secret **out, struct err *e)
{
	struct buf bytes;
	struct stat st;
	bool ok;

	/* The key is read on the loop, which must not wait for whoever would write to a FIFO. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFIG,
			"cannot read the API key from '%s': it is not a regular file", path);
	buf_init(&bytes, CONFIG_KEY_MAX);
	if (!buf_reserve(&bytes, CONFIG_KEY_MAX))
		return nomem(e);
	ok = config_file_read(path, &bytes, mode, e) && make_key(buf_slice(&bytes), path, out, e);
	explicit_bzero(bytes.data, bytes.cap);
	buf_release(&bytes);
	return ok;
}

/* Says how to make the file: so that nobody else can read it, and without the key in a shell's history. */
static bool explain_missing(const char *path, struct err *e)
{
	struct err why = *e;

	return err_set(e, ERR_CONFIG,
		"no API key: %.200s; put it there with: (umask 077 && cat > '%.200s'), the key on a "
		"line, then Ctrl-D",
		why.text, path);
}

static bool key_from_file(const char *path, struct secret **out, struct err *e)
{
	mode_t mode = 0;
	char command[ERR_TEXT_MAX];

	if (!read_key_file(path, &mode, out, e))
		return e->code == ERR_SYSTEM ? explain_missing(path, e) : false;
	if ((mode & S_IROTH) != 0) {
		(void)snprintf(command, sizeof(command), "chmod 600 '%s'", path);
		log_line(LOG_WARN, "others can read the API key", log_text("file", path),
			log_text("run", command));
	}
	return true;
}

static bool key_from_env(const char *name, struct secret **out, struct err *e)
{
	char *value = getenv(name);
	struct kept_variable *kept;

	if (value != NULL && *value != '\0') {
		if (!keep(name, slice_of(value)))
			return nomem(e);
		/* unsetenv would leave the bytes where /proc/PID/environ shows them. */
		explicit_bzero(value, strlen(value));
	}
	kept = find_kept(name);
	if (kept == NULL)
		return err_set(e, ERR_CONFIG,
			"no API key: the environment variable '%s' is not set; set it where the "
			"program is started, or name a file in its place",
			name);
	return make_key(secret_reveal(kept->value), name, out, e);
}

static bool key_from_credential(const char *name, struct secret **out, struct err *e)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	struct buf path;
	struct err why;
	bool ok;

	if (directory == NULL || *directory == '\0')
		return err_set(e, ERR_CONFIG,
			"no API key: systemd passed no credential '%s'; the unit needs "
			"LoadCredential=%s:/path/of/the/key",
			name, name);
	buf_init(&path, 2 * CONFIG_KEY_MAX);
	/* The NUL is part of the buffer, to make it a path. */
	if (!buf_printf(&path, "%s/%s", directory, name) || !buf_append_char(&path, '\0')) {
		buf_release(&path);
		return nomem(e);
	}
	ok = read_key_file(path.data, NULL, out, &why);
	if (!ok && why.code == ERR_SYSTEM)
		err_set(e, ERR_CONFIG,
			"no API key: %.200s; the unit needs LoadCredential=%s:/path/of/the/key",
			why.text, name);
	else if (!ok)
		*e = why;
	buf_release(&path);
	return ok;
}

bool config_api_key(const struct config_token *t, struct secret **out, struct err *e)
{
	switch (t->key_source) {
	case CONFIG_KEY_FILE:
		return key_from_file(t->key_name, out, e);
	case CONFIG_KEY_ENV:
		return key_from_env(t->key_name, out, e);
	case CONFIG_KEY_CREDENTIAL:
		return key_from_credential(t->key_name, out, e);
	}
	return err_set(e, ERR_CONFIG, "no API key: the configuration names no place for it");
}
