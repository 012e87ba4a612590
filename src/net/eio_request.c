#include "net/eio_request.h"

#include "base/buf.h"
#include "proto/http_request.h"

#include <string.h>

#define VERSION_09 "1/" /* below the path; 0.9 counts its protocol so */

static struct slice skipped(struct slice s, size_t n)
{
	return (struct slice){ s.ptr + n, s.len - n };
}

/* Takes what stands before the next slash, and the slash. */
static struct slice take_segment(struct slice *rest)
{
	const char *slash = rest->len != 0 ? memchr(rest->ptr, '/', rest->len) : NULL;
	struct slice segment = *rest;

	if (slash != NULL)
		segment.len = (size_t)(slash - rest->ptr);
	if (rest->len != 0) /* else `ptr` may be NULL */
		*rest = skipped(*rest, slash != NULL ? segment.len + 1 : segment.len);
	return segment;
}

/* A sid that is not as long as one of ours can be is kept empty, and so is unknown. */
static void set_sid(struct eio_request *out, struct slice sid)
{
	out->has_sid = true;
	if (sid.len > EIO_SID_MAX)
		return;
	memcpy(out->sid, sid.ptr, sid.len);
	out->sid[sid.len] = '\0';
}

/* The decoded value of a member of the query, in `value`, which is emptied first. */
static bool find_member(struct slice query, const char *name, struct buf *value)
{
	value->len = 0;
	return http_query_member(query, name, value);
}

static const struct generation *revision(struct slice eio)
{
	if (slice_is(eio, "4"))
		return &generation_eio4;
	return slice_is(eio, "3") || slice_is(eio, "2") ? &generation_eio3 : NULL;
}

static enum eio_transport transport_of(struct slice name, const char *polling)
{
	if (slice_is(name, "websocket"))
		return EIO_WEBSOCKET;
	return slice_is(name, polling) ? EIO_POLLING : EIO_OTHER;
}

/* A poll that wants a script (member j) is another transport, though it has the same name. */
static void read_engine(struct slice query, struct eio_request *out)
{
	struct buf value;

	buf_init(&value, query.len + 1);
	out->generation = &generation_eio3;
	if (find_member(query, "EIO", &value))
		out->generation = revision(buf_slice(&value));
	out->transport = EIO_OTHER;
	if (find_member(query, "transport", &value))
		out->transport = transport_of(buf_slice(&value), "polling");
	if (out->transport == EIO_POLLING && find_member(query, "j", &value))
		out->transport = EIO_OTHER;
	if (find_member(query, "sid", &value) && value.len != 0)
		set_sid(out, buf_slice(&value));
	out->takes_text = find_member(query, "b64", &value) && value.len != 0 &&
		!slice_is(buf_slice(&value), "0");
	buf_release(&value);
}

static void read_09(struct slice rest, struct slice query, struct eio_request *out)
{
	struct slice name = take_segment(&rest);
	struct slice sid = take_segment(&rest);
	struct buf value;

	buf_init(&value, query.len + 1);
	out->generation = &generation_09;
	out->transport = transport_of(name, "xhr-polling");
	if (sid.len != 0)
		set_sid(out, sid);
	out->disconnects = find_member(query, "disconnect", &value);
	buf_release(&value);
}

bool eio_request_read(
	const char *base, struct slice path, struct slice query, struct eio_request *out)
{
	size_t base_len = strlen(base);
	struct slice rest;

	if (path.len + 1 < base_len || memcmp(path.ptr, base, base_len - 1) != 0 ||
		(path.len >= base_len && path.ptr[base_len - 1] != '/'))
		return false;
	*out = (struct eio_request){ 0 };
	rest = path.len < base_len ? (struct slice){ "", 0 } : skipped(path, base_len);
	if (rest.len >= strlen(VERSION_09) && memcmp(rest.ptr, VERSION_09, strlen(VERSION_09)) == 0)
		read_09(skipped(rest, strlen(VERSION_09)), query, out);
	else if (slice_is(rest, "1"))
		read_09((struct slice){ "", 0 }, query, out);
	else
		read_engine(query, out);
	return true;
}
