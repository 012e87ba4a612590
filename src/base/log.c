#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/secret.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX PIPE_BUF /* a pipe that says it is writable takes so much without blocking */
#define LOG_PEER_TEXT_MAX 256
#define LOG_FILE_MODE 0640

static const char *const level_names[] = { "error", "warn", "info", "debug" };
static const char withheld[] = "(withheld: it quotes a secret)";

static struct {
	pthread_mutex_t lock;
	enum log_level level;
	enum log_format format;
	int fd;
	bool is_terminal;
	uint64_t dropped;  /* lines, since the last that was written */
	bool has_progress; /* the terminal's last line is a progress line */
} log_state = { .lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO, .fd = STDERR_FILENO };

bool log_open(enum log_level level, enum log_format format, const char *path, struct err *e)
{
	int fd = STDERR_FILENO;

	if (path != NULL) {
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, LOG_FILE_MODE);
		if (fd < 0)
			return err_set(e, ERR_SYSTEM, "cannot open the log file '%s': %s", path,
				strerror(errno));
	}
	log_close();
	log_state.level = level;
	log_state.format = format;
	log_state.fd = fd;
	log_state.is_terminal = format == LOG_TEXT && isatty(fd) == 1;
	return true;
}

void log_close(void)
{
	if (log_state.has_progress)
		(void)!write(log_state.fd, "\n", 1);
	if (log_state.fd != STDERR_FILENO)
		(void)close(log_state.fd);
	log_state.fd = STDERR_FILENO;
	log_state.has_progress = false;
}

bool log_enabled(enum log_level level)
{
	return level <= log_state.level;
}

/* Appends `text` so that it can neither end its quotes nor the line, nor move a terminal's cursor, and is
 * valid UTF-8 whatever it was. */
static bool append_escaped(struct buf *line, struct slice text, bool json)
{
	bool ok = true;

	for (size_t i = 0; i < text.len && ok; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		struct slice rest = { text.ptr + i, text.len - i };
		size_t len = c >= 0x80 ? utf8_showable(rest) : 0;

		if (len != 0) {
			ok = buf_append(line, rest.ptr, len);
			i += len - 1;
		} else if (c == '"' || c == '\\') {
			ok = buf_append_char(line, '\\') && buf_append_char(line, (char)c);
		} else if (c < 0x20 || c >= 0x7f) {
			ok = buf_printf(line, json ? "\\u%04x" : "\\x%02x", c);
		} else {
			ok = buf_append_char(line, (char)c);
		}
	}
	return ok;
}

static bool is_bare(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
			return false;
	}
	return text.len != 0;
}

static struct slice presentable(const struct log_field *f)
{
	struct slice text = f->text;

	if (f->kind != LOG_KIND_PEER)
		return text;
	/* Cut first: what is not shown need not be searched, and a peer's text may be long. */
	if (text.len > LOG_PEER_TEXT_MAX)
		text.len = LOG_PEER_TEXT_MAX;
	return secret_quotes(text) ? slice_of(withheld) : text;
}

static bool append_value(struct buf *line, const struct log_field *f, bool json)
{
	struct slice text;

	if (f->kind == LOG_KIND_INT)
		return buf_printf(line, "%lld", (long long)f->number);
	if (f->kind == LOG_KIND_REAL)
		return buf_printf(line, "%.1f", f->real);
	text = presentable(f);
	if (!json && is_bare(text))
		return buf_append_slice(line, text);
	return buf_append_char(line, '"') && append_escaped(line, text, json) &&
		buf_append_char(line, '"');
}

/* A line that is rewritten every other moment needs no date. */
static bool append_time_of_day(struct buf *line)
{
	time_t s = (time_t)(clock_wall_us() / 1000000);
	struct tm tm;

	(void)gmtime_r(&s, &tm);
	return buf_printf(line, "%02d:%02d:%02dZ", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static bool append_time(struct buf *line)
{
	int64_t us = clock_wall_us();
	time_t s = (time_t)(us / 1000000);
	struct tm tm;

	(void)gmtime_r(&s, &tm);
	return buf_printf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		(int)(us % 1000000 / 1000));
}

static bool append_text_line(
	struct buf *line, enum log_level level, const char *message, const struct log_field *f)
{
	bool ok = append_time(line) && buf_printf(line, " %-5s %s", level_names[level], message);

	for (; ok && f->kind != LOG_KIND_END; f++)
		ok = buf_printf(line, " %s=", f->key) && append_value(line, f, false);
	return ok;
}

static bool append_json_line(
	struct buf *line, enum log_level level, const char *message, const struct log_field *f)
{
	bool ok = buf_append_str(line, "{\"time\":\"") && append_time(line) &&
		buf_printf(line, "\",\"level\":\"%s\",\"message\":\"", level_names[level]) &&
		append_escaped(line, slice_of(message), true) && buf_append_char(line, '"');

	for (; ok && f->kind != LOG_KIND_END; f++)
		ok = buf_printf(line, ",\"%s\":", f->key) && append_value(line, f, true);
	return ok && buf_append_char(line, '}');
}

/* The line that rewrites itself: short, and never longer than the terminal is wide, because only the last
 * row of a wrapped line can be rewritten. */
static void append_rewritten(struct buf *line, const struct log_field *f)
{
	struct winsize size = { 0 };
	size_t columns = 80;
	size_t begin;
	bool ok;

	if (ioctl(log_state.fd, TIOCGWINSZ, &size) == 0 && size.ws_col != 0)
		columns = size.ws_col;
	ok = buf_append_str(line, "\r\033[K");
	begin = line->len;
	ok = ok && append_time_of_day(line);
	for (; ok && f->kind != LOG_KIND_END; f++)
		ok = buf_printf(line, " %s=", f->key) && append_value(line, f, false);
	if (line->len - begin >= columns)
		line->len = begin + columns - 1;
}

/* Writes without ever waiting for the reader: the threads that log have better things to do. Lines for
 * which a stuck reader leaves no room are dropped, and counted. */
static void put(const struct buf *line)
{
	struct pollfd p = { .fd = log_state.fd, .events = POLLOUT };
	char note[80];
	int len;

	if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0) {
		log_state.dropped++;
		return;
	}
	len = snprintf(note, sizeof(note),
		log_state.format == LOG_JSON ? "{\"dropped_lines\":%llu}\n"
					     : "(%llu lines were dropped)\n",
		(unsigned long long)log_state.dropped);
	if (log_state.dropped != 0)
		(void)!write(log_state.fd, note, (size_t)len);
	log_state.dropped = 0;
	(void)!write(log_state.fd, line->data, line->len);
}

/* An ordinary line; where a progress line stands it is wiped first. */
static void append_line(
	struct buf *line, enum log_level level, const char *message, const struct log_field *fields)
{
	size_t begin;

	if (log_state.has_progress)
		(void)!buf_append_str(line, "\r\033[K");
	begin = line->len;
	if (log_state.format == LOG_TEXT)
		(void)append_text_line(line, level, message, fields);
	else if (!append_json_line(line, level, message, fields))
		line->len = begin; /* half an object helps nobody */
	line->data[line->len++] = '\n';
}

static void write_line(
	enum log_level level, const char *message, const struct log_field *fields, bool is_progress)
{
	char memory[LOG_LINE_MAX];
	/* On the stack, so that "out of memory" can be logged; the last byte is for the newline. */
	struct buf line = { .data = memory, .cap = sizeof(memory) - 1, .max = sizeof(memory) - 1 };

	(void)pthread_mutex_lock(&log_state.lock);
	if (is_progress && log_state.is_terminal)
		append_rewritten(&line, fields);
	else
		append_line(&line, level, message, fields);
	log_state.has_progress = is_progress && log_state.is_terminal;
	put(&line);
	(void)pthread_mutex_unlock(&log_state.lock);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
	if (log_enabled(level))
		write_line(level, message, fields, false);
}

void log_write_progress(const char *message, const struct log_field *fields)
{
	if (log_enabled(LOG_INFO))
		write_line(LOG_INFO, message, fields, true);
}

const char *log_peer_text(char *out, size_t size, struct slice text)
{
	struct buf b = { .data = out, .cap = size - 1, .max = size - 1 };

	if (text.len > size)
		text.len = size;
	if (secret_quotes(text))
		text = slice_of(withheld);
	(void)append_escaped(&b, text, false);
	out[b.len] = '\0';
	return out;
}
