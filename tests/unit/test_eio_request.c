/*
 * eio_request: what paths and queries ask for.
 */
#include "unit.h"

#include "net/eio_request.h"

#define LONG_SID \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *path, *query;
	const struct generation *generation;
	enum eio_transport transport;
	const char *sid; /* NULL: none */
	bool takes_text, disconnects;
} cases[] = {
	{ "/s.io/", "EIO=4&transport=polling", &generation_eio4, EIO_POLLING, NULL, false, false },
	{ "/s.io", "EIO=4&transport=polling", &generation_eio4, EIO_POLLING, NULL, false, false },
	{ "/s.io/", "transport=websocket&EIO=3&sid=a-B_9", &generation_eio3, EIO_WEBSOCKET, "a-B_9",
		false, false },
	{ "/s.io/", "EIO=2&transport=polling&b64=1", &generation_eio3, EIO_POLLING, NULL, true,
		false },
	{ "/s.io/", "transport=polling&b64=0", &generation_eio3, EIO_POLLING, NULL, false, false },
	{ "/s.io/", "transport=polling&b64=", &generation_eio3, EIO_POLLING, NULL, false, false },
	{ "/s.io/", "EIO=%34&transport=%70olling&sid=%61%2f", &generation_eio4, EIO_POLLING, "a/",
		false, false },
	{ "/s.io/", "EIO=5&transport=polling", NULL, EIO_POLLING, NULL, false, false },
	{ "/s.io/", "EIO=&transport=polling", NULL, EIO_POLLING, NULL, false, false },
	{ "/s.io/", "EIO=44&transport=polling", NULL, EIO_POLLING, NULL, false, false },
	{ "/s.io/", "EIO=4&transport=Polling", &generation_eio4, EIO_OTHER, NULL, false, false },
	{ "/s.io/", "EIO=4&transport=xhr-polling", &generation_eio4, EIO_OTHER, NULL, false,
		false },
	{ "/s.io/", "EIO=4&transport=polling&j=0", &generation_eio4, EIO_OTHER, NULL, false,
		false },
	{ "/s.io/", "EIO=4", &generation_eio4, EIO_OTHER, NULL, false, false },
	{ "/s.io/", "", &generation_eio3, EIO_OTHER, NULL, false, false },
	{ "/s.io/more/1/", "EIO=4&transport=polling&sid=", &generation_eio4, EIO_POLLING, NULL,
		false, false },
	{ "/s.io/", "EIO=4&transport=polling&sid=" LONG_SID, &generation_eio4, EIO_POLLING, "",
		false, false },
	{ "/s.io/1/", "t=1", &generation_09, EIO_OTHER, NULL, false, false },
	{ "/s.io/1", "", &generation_09, EIO_OTHER, NULL, false, false },
	{ "/s.io/1/websocket/abc", "EIO=4&transport=polling", &generation_09, EIO_WEBSOCKET, "abc",
		false, false },
	{ "/s.io/1/xhr-polling/abc/", "t=1&disconnect", &generation_09, EIO_POLLING, "abc", false,
		true },
	{ "/s.io/1/xhr-polling/abc", "disconnect=1", &generation_09, EIO_POLLING, "abc", false,
		true },
	{ "/s.io/1/polling/abc", "", &generation_09, EIO_OTHER, "abc", false, false },
	{ "/s.io/1/jsonp-polling/abc", "i=0", &generation_09, EIO_OTHER, "abc", false, false },
	{ "/s.io/1/xhr-polling", "sid=abc", &generation_09, EIO_POLLING, NULL, false, false },
	{ "/s.io/1/xhr-polling/" LONG_SID, "", &generation_09, EIO_POLLING, "", false, false },
	{ "/s.io/10/", "", &generation_eio3, EIO_OTHER, NULL, false, false },
};

static void requests_are_understood(void **state)
{
	struct eio_request r;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(eio_request_read(
			"/s.io/", slice_of(cases[i].path), slice_of(cases[i].query), &r));
		assert_ptr_equal(r.generation, cases[i].generation);
		assert_int_equal(r.transport, cases[i].transport);
		assert_int_equal(r.has_sid, cases[i].sid != NULL);
		assert_string_equal(r.sid, cases[i].sid != NULL ? cases[i].sid : "");
		assert_int_equal(r.takes_text, cases[i].takes_text);
		assert_int_equal(r.disconnects, cases[i].disconnects);
	}
}

static void other_paths_are_not_ours(void **state)
{
	static const char *const paths[] = { "", "/", "*", "/s.i", "/s.iox", "/s.iox/", "/S.io/",
		"s.io/", "//s.io/", "/x/s.io/" };
	struct eio_request r;

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++)
		assert_false(eio_request_read(
			"/s.io/", slice_of(paths[i]), slice_of("EIO=4&transport=polling"), &r));
	assert_true(eio_request_read("/", slice_of("/1/"), slice_of(""), &r));
	assert_ptr_equal(r.generation, &generation_09);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_understood),
		cmocka_unit_test(other_paths_are_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
