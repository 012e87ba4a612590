#include "unit.h"

#include <stdlib.h>

#include "base/secret.h"
#include "proto/generation.h"

static struct buf new_buf(void)
{
	struct buf b;

	buf_init(&b, (size_t)64 << 20);
	return b;
}

/* Nothing of this grammar needs scratch. */
static bool decode(struct slice text, struct sio_packet *out, struct err *e)
{
	struct buf none = { .len = 7 };
	bool ok = sio_decode(text, &none, out, e);

	assert_int_equal(none.len, 0);
	return ok;
}

struct packet_case {
	const char *text;
	struct sio_packet want;
	const char *canonical; /* what encoding writes; NULL: the same text */
};

#define S(s) SLICE_LITERAL(s)
#define ROOT S("/")

static const struct packet_case good[] = {
	{ "0", { SIO_CONNECT, false, 0, 0, ROOT, S(""), S("") }, NULL },
	{ "0{\"sid\":\"x\"}", { SIO_CONNECT, false, 0, 0, ROOT, S(""), S("{\"sid\":\"x\"}") },
		NULL },
	{ "0/feed", { SIO_CONNECT, false, 0, 0, S("/feed"), S(""), S("") }, "0/feed," },
	{ "0/feed,", { SIO_CONNECT, false, 0, 0, S("/feed"), S(""), S("") }, NULL },
	{ "0/feed?x=y,", { SIO_CONNECT, false, 0, 0, S("/feed"), S("x=y"), S("") }, NULL },
	{ "0/feed?x=y", { SIO_CONNECT, false, 0, 0, S("/feed"), S("x=y"), S("") }, "0/feed?x=y," },
	{ "0/?x=y,", { SIO_CONNECT, false, 0, 0, ROOT, S("x=y"), S("") }, NULL },
	{ "0/feed?,", { SIO_CONNECT, false, 0, 0, S("/feed"), S(""), S("") }, "0/feed," },
	{ "0/,", { SIO_CONNECT, false, 0, 0, ROOT, S(""), S("") }, "0" },
	{ "0/feed,{\"token\":\"a,b\"}",
		{ SIO_CONNECT, false, 0, 0, S("/feed"), S(""), S("{\"token\":\"a,b\"}") }, NULL },
	{ "1", { SIO_DISCONNECT, false, 0, 0, ROOT, S(""), S("") }, NULL },
	{ "1/feed,", { SIO_DISCONNECT, false, 0, 0, S("/feed"), S(""), S("") }, NULL },
	{ "2[\"data\",{}]", { SIO_EVENT, false, 0, 0, ROOT, S(""), S("[\"data\",{}]") }, NULL },
	{ "20[\"s\"]", { SIO_EVENT, true, 0, 0, ROOT, S(""), S("[\"s\"]") }, NULL },
	{ "2/feed,7[\"a\",\"/b,\"]",
		{ SIO_EVENT, true, 7, 0, S("/feed"), S(""), S("[\"a\",\"/b,\"]") }, NULL },
	{ "2 [1]", { SIO_EVENT, false, 0, 0, ROOT, S(""), S(" [1]") }, NULL },
	{ "2999999999999999[1]", { SIO_EVENT, true, 999999999999999, 0, ROOT, S(""), S("[1]") },
		NULL },
	{ "2007[1]", { SIO_EVENT, true, 7, 0, ROOT, S(""), S("[1]") }, "27[1]" },
	{ "30[null]", { SIO_ACK, true, 0, 0, ROOT, S(""), S("[null]") }, NULL },
	{ "3/feed,12[]", { SIO_ACK, true, 12, 0, S("/feed"), S(""), S("[]") }, NULL },
	{ "4{\"message\":\"no\"}",
		{ SIO_ERROR, false, 0, 0, ROOT, S(""), S("{\"message\":\"no\"}") }, NULL },
	{ "4\"bad token\"", { SIO_ERROR, false, 0, 0, ROOT, S(""), S("\"bad token\"") }, NULL },
	{ "4", { SIO_ERROR, false, 0, 0, ROOT, S(""), S("") }, NULL },
	{ "4401", { SIO_ERROR, false, 0, 0, ROOT, S(""), S("401") }, NULL },
	{ "4/feed,{}", { SIO_ERROR, false, 0, 0, S("/feed"), S(""), S("{}") }, NULL },
	{ "51-[\"data\",{\"_placeholder\":true,\"num\":0}]",
		{ SIO_BINARY_EVENT, false, 0, 1, ROOT, S(""),
			S("[\"data\",{\"_placeholder\":true,\"num\":0}]") },
		NULL },
	{ "564-/feed,3[]", { SIO_BINARY_EVENT, true, 3, 64, S("/feed"), S(""), S("[]") }, NULL },
	{ "61-2[null]", { SIO_BINARY_ACK, true, 2, 1, ROOT, S(""), S("[null]") }, NULL },
};

static void reads_packets_of_every_shape(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const struct sio_packet *want = &good[i].want;
		struct sio_packet p;
		struct err e = { 0 };

		if (!decode(slice_of(good[i].text), &p, &e))
			fail_msg("%s: %s", good[i].text, e.text);
		assert_int_equal(p.type, want->type);
		assert_int_equal(p.has_id, want->has_id);
		assert_int_equal(p.id, want->id);
		assert_int_equal(p.attachments, want->attachments);
		assert_true(slice_equal(p.nsp, want->nsp));
		assert_true(slice_equal(p.query, want->query));
		assert_true(slice_equal(p.data, want->data));
	}
}

static void encodes_what_it_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const char *want = good[i].canonical != NULL ? good[i].canonical : good[i].text;
		struct sio_packet p;
		struct buf b = new_buf();
		struct err e;

		assert_true(decode(slice_of(good[i].text), &p, &e));
		assert_true(sio_encode(&p, &b));
		assert_true(slice_is(buf_slice(&b), want));
		buf_release(&b);
		buf_init(&b, strlen(want) - 1);
		assert_false(sio_encode(&p, &b));
		assert_int_equal(b.len, 0);
		buf_release(&b);
	}
}

static void refuses_bad_packets(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{ "", ERR_PROTOCOL },
		{ "7", ERR_PROTOCOL },
		{ "x[]", ERR_PROTOCOL },
		{ "\xff", ERR_PROTOCOL },
		{ "0[1]", ERR_PROTOCOL },
		{ "0123", ERR_PROTOCOL },
		{ "0x", ERR_PROTOCOL },
		{ "1[]", ERR_PROTOCOL },
		{ "1/feed,{}", ERR_PROTOCOL },
		{ "2", ERR_PROTOCOL },
		{ "2/feed", ERR_PROTOCOL },
		{ "2/feed[\"a\"]", ERR_PROTOCOL },
		{ "27", ERR_PROTOCOL },
		{ "2{}", ERR_PROTOCOL },
		{ "2\"a\"", ERR_PROTOCOL },
		{ "2 ", ERR_PROTOCOL },
		{ "2-1[]", ERR_PROTOCOL },
		{ "21000000000000000[1]", ERR_LIMIT },
		{ "2123456789012345678901234567890[1]", ERR_LIMIT },
		{ "3123456789012345678901234567890[1]", ERR_LIMIT },
		{ "3[null]", ERR_PROTOCOL },
		{ "3/feed,[null]", ERR_PROTOCOL },
		{ "31", ERR_PROTOCOL },
		{ "31{}", ERR_PROTOCOL },
		{ "4x", ERR_PROTOCOL },
		{ "4 ", ERR_PROTOCOL },
		{ "5[]", ERR_PROTOCOL },
		{ "5-[]", ERR_PROTOCOL },
		{ "50-[]", ERR_PROTOCOL },
		{ "51[]", ERR_PROTOCOL },
		{ "51", ERR_PROTOCOL },
		{ "51-", ERR_PROTOCOL },
		{ "51-{}", ERR_PROTOCOL },
		{ "565-[]", ERR_LIMIT },
		{ "599999999999999999999-[]", ERR_LIMIT },
		{ "61-[]", ERR_PROTOCOL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sio_packet p;
		struct err e = { 0 };

		if (decode(slice_of(cases[i].text), &p, &e))
			fail_msg("accepted: %s", cases[i].text);
		assert_int_equal(e.code, cases[i].code);
		assert_true(strlen(e.text) > 0);
	}
}

/* Packets carry no length, so a cut may be a packet, too; it must only stay inside its bytes. */
static void no_cut_reads_past_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		for (size_t cut = 0; cut <= strlen(good[i].text); cut++) {
			char *copy = malloc(cut + 1); /* so that ASan sees a byte too far */
			struct sio_packet p;
			struct err e;

			assert_non_null(copy);
			copy = realloc(copy, cut != 0 ? cut : 1);
			assert_non_null(copy);
			memcpy(copy, good[i].text, cut);
			if (decode((struct slice){ copy, cut }, &p, &e))
				assert_true(
					p.data.len == 0 || p.data.ptr + p.data.len == copy + cut);
			free(copy);
		}
	}
}

static void writes_events_for_a_recorder(void **state)
{
	struct buf b = new_buf();

	(void)state;
	assert_true(generation_event_encode(&generation_eio3, &b, slice_of("/"),
		slice_of("subscribe"), slice_of("{\"path\":\"/a\"},1"), true, 0));
	assert_true(slice_is(buf_slice(&b), "20[\"subscribe\",{\"path\":\"/a\"},1]"));
	b.len = 0;
	assert_true(generation_event_encode(&generation_eio4, &b, slice_of("/feed"),
		slice_of("a\"b\n"), slice_of(""), false, 9));
	assert_true(slice_is(buf_slice(&b), "2/feed,[\"a\\\"b\\n\"]"));
	buf_release(&b);
	buf_init(&b, 20);
	assert_false(generation_event_encode(&generation_eio4, &b, slice_of(""),
		slice_of("subscribe"), slice_of("\"0123456789\""), true, 1));
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

static void refusals_are_shown_to_a_person(void **state)
{
	static const struct {
		const char *data, *want;
	} cases[] = {
		{ "{\"message\":\"bad token\",\"data\":{\"code\":401}}", "bad token" },
		{ "{\"data\":1,\"message\":\"\\u0041\\nB\"}", "A\\x0aB" },
		{ "\"Invalid namespace\"", "Invalid namespace" },
		{ "{\"code\":401}", "{\\\"code\\\":401}" },
		{ "{\"message\":{\"a\":1}}", "{\\\"message\\\":{\\\"a\\\":1}}" },
		{ "{\"message\":\"\"}", "{\\\"message\\\":\\\"\\\"}" },
		{ " { \n} \n", "{ \\x0a}" },
		{ " \"a\" ", "a" },
		{ "401", "401" },
		{ "[1]", "[1]" },
		{ "", "no reason given" },
		{ "{\"message\":", "{\\\"message\\\":" },
		{ "\"\\ud800\"", "\\\"\\\\ud800\\\"" },
		{ "\"\xff\"", "\\\"\\xff\\\"" },
	};
	char out[100];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(
			sio_error_text(slice_of(cases[i].data), out, sizeof(out)), cases[i].want);
	assert_string_equal(sio_error_text((struct slice){ NULL, 0 }, out, 4), "no ");
}

static void a_refusal_that_quotes_a_secret_is_withheld(void **state)
{
	struct secret *s = secret_new(slice_of("canary-token-0123456789"));
	char out[100];

	(void)state;
	assert_non_null(s);
	(void)sio_error_text(
		slice_of("{\"message\":\"bad canary-token-0123456789\"}"), out, sizeof(out));
	assert_null(strstr(out, "canary"));
	(void)sio_error_text(slice_of("\"canary-token-\\u0030123456789\""), out, sizeof(out));
	assert_null(strstr(out, "canary"));
	secret_free(s);
}

/* ---- assembler ---- */

static void plain_packets_pass_through_the_assembler(void **state)
{
	struct sio_assembler *a = sio_assembler_new();
	struct slice text = slice_of("2[\"a\"]");
	struct sio_packet p;
	struct err e;

	(void)state;
	assert_non_null(a);
	assert_int_equal(sio_assembler_text(a, &generation_eio4, text, &p, &e), SIO_PACKET);
	assert_ptr_equal(p.data.ptr, text.ptr + 1);
	assert_int_equal(sio_assembler_due(a), 0);
	assert_int_equal(sio_assembler_text(a, &generation_eio4, slice_of("9"), &p, &e), SIO_BAD);
	assert_int_equal(sio_assembler_text(a, &generation_eio4, text, &p, &e), SIO_PACKET);
	sio_assembler_free(a);
	sio_assembler_free(NULL);
}

static void attachments_come_one_by_one(void **state)
{
	struct sio_assembler *a = sio_assembler_new();
	struct sio_packet p;
	struct err e;
	char text[] = "53-/feed,8[\"x\"]", byte;

	(void)state;
	assert_non_null(a);
	for (int round = 0; round < 3; round++) {
		char copy[sizeof(text)];

		memcpy(copy, text, sizeof(text));
		assert_int_equal(
			sio_assembler_text(a, &generation_eio4, slice_of(copy), &p, &e), SIO_MORE);
		memset(copy, 'x', sizeof(copy)); /* the caller's bytes are gone by then */
		assert_int_equal(sio_assembler_due(a), 3);
		byte = 'a';
		assert_int_equal(sio_assembler_binary(
					 a, &generation_eio4, (struct slice){ &byte, 1 }, &p, &e),
			SIO_MORE);
		byte = 'b';
		assert_int_equal(
			sio_assembler_binary(a, &generation_eio4, (struct slice){ "", 0 }, &p, &e),
			SIO_MORE);
		assert_int_equal(sio_assembler_due(a), 1);
		assert_int_equal(sio_assembler_binary(a, &generation_eio4, slice_of("ccc"), &p, &e),
			SIO_PACKET);
		assert_int_equal(p.type, SIO_BINARY_EVENT);
		assert_true(p.has_id && p.id == 8 && p.attachments == 3);
		assert_true(slice_is(p.nsp, "/feed"));
		assert_true(slice_is(p.data, "[\"x\"]"));
		assert_true(slice_is(sio_assembler_attachment(a, 0), "a"));
		assert_true(slice_is(sio_assembler_attachment(a, 1), ""));
		assert_true(slice_is(sio_assembler_attachment(a, 2), "ccc"));
	}
	sio_assembler_free(a);
}

static void a_text_packet_while_attachments_are_due_is_bad(void **state)
{
	struct sio_assembler *a = sio_assembler_new();
	struct sio_packet p;
	struct err e;

	(void)state;
	assert_non_null(a);
	assert_int_equal(
		sio_assembler_text(a, &generation_eio4, slice_of("52-[]"), &p, &e), SIO_MORE);
	assert_int_equal(
		sio_assembler_binary(a, &generation_eio4, slice_of("a"), &p, &e), SIO_MORE);
	assert_int_equal(sio_assembler_text(a, &generation_eio4, slice_of("2[]"), &p, &e), SIO_BAD);
	assert_non_null(strstr(e.text, "1 attachments were due"));
	sio_assembler_free(a);
}

static void an_attachment_that_nobody_announced_is_bad(void **state)
{
	struct sio_assembler *a = sio_assembler_new();
	struct sio_packet p;
	struct err e;

	(void)state;
	assert_non_null(a);
	assert_int_equal(sio_assembler_binary(a, &generation_eio4, slice_of("a"), &p, &e), SIO_BAD);
	assert_int_equal(
		sio_assembler_text(a, &generation_eio4, slice_of("51-[]"), &p, &e), SIO_MORE);
	assert_int_equal(
		sio_assembler_binary(a, &generation_eio4, slice_of("a"), &p, &e), SIO_PACKET);
	assert_int_equal(sio_assembler_binary(a, &generation_eio4, slice_of("a"), &p, &e), SIO_BAD);
	sio_assembler_free(a);
}

static void attachments_end_at_the_limit(void **state)
{
	size_t half = SIO_ASSEMBLED_MAX / 2;
	char *bytes = calloc(1, half);

	(void)state;
	assert_non_null(bytes);
	for (size_t over = 0; over <= 1; over++) {
		struct sio_assembler *a = sio_assembler_new();
		struct sio_packet p;
		struct err e = { 0 };

		assert_non_null(a);
		assert_int_equal(sio_assembler_text(a, &generation_eio4, slice_of("52-[]"), &p, &e),
			SIO_MORE);
		assert_int_equal(sio_assembler_binary(a, &generation_eio4,
					 (struct slice){ bytes, half }, &p, &e),
			SIO_MORE);
		assert_int_equal(sio_assembler_binary(a, &generation_eio4,
					 (struct slice){ bytes, half - 5 + over }, &p, &e),
			over ? SIO_BAD : SIO_PACKET);
		assert_int_equal(e.code, over ? ERR_LIMIT : ERR_NONE);
		sio_assembler_free(a);
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_packets_of_every_shape),
		cmocka_unit_test(encodes_what_it_reads),
		cmocka_unit_test(refuses_bad_packets),
		cmocka_unit_test(no_cut_reads_past_the_end),
		cmocka_unit_test(writes_events_for_a_recorder),
		cmocka_unit_test(refusals_are_shown_to_a_person),
		cmocka_unit_test(a_refusal_that_quotes_a_secret_is_withheld),
		cmocka_unit_test(plain_packets_pass_through_the_assembler),
		cmocka_unit_test(attachments_come_one_by_one),
		cmocka_unit_test(a_text_packet_while_attachments_are_due_is_bad),
		cmocka_unit_test(an_attachment_that_nobody_announced_is_bad),
		cmocka_unit_test(attachments_end_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
