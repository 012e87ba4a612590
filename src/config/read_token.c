#include "config/reader.h"

#include <string.h>

#include "base/json.h"
#include "config/valid.h"

#define ORIGINS_MAX 100

bool read_token_url(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	struct config_token *t = field;

	if (!reader_url(r, o, at, raw, &t->url_text, &t->url))
		return false;
	if (t->url.is_websocket)
		return reader_fail(
			r, at, "is refused: a token is fetched over HTTP; allowed: %s", o->allowed);
	return true;
}

/* One of the three places of an API key. The name is not checked against the outside here: a daemon may
 * be checked on another machine than the one it runs on. */
bool read_key(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	static const struct {
		const char *option;
		enum config_key_source source;
		bool (*is_valid)(const char *text);
	} sources[] = {
		{ "api_key_file", CONFIG_KEY_FILE, valid_file },
		{ "api_key_env", CONFIG_KEY_ENV, valid_variable },
		{ "api_key_credential", CONFIG_KEY_CREDENTIAL, valid_credential },
	};
	struct config_token *t = field;
	size_t i = 0;

	while (strcmp(sources[i].option, o->name) != 0)
		i++;
	if (json_type_of(raw) != JSON_STRING)
		return reader_refuse(r, o, at, raw, o->allowed);
	if (t->key_name != NULL)
		return reader_fail(r, at,
			"is a second place for the API key; allowed: one of api_key_file, "
			"api_key_env, api_key_credential");
	if (!reader_text(r, at, raw, &t->key_name))
		return false;
	/* Not quoted: a key that was written in the place of its file's name would show. */
	if (!sources[i].is_valid(t->key_name))
		return reader_fail(r, at, "is refused; allowed: %s", o->allowed);
	t->key_source = sources[i].source;
	return t->key_source != CONFIG_KEY_FILE || reader_path(r, t->key_name, &t->key_name);
}

bool read_token(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	struct config_feed *f = field;

	if (json_type_of(raw) != JSON_OBJECT)
		return reader_refuse(r, o, at, raw, o->allowed);
	f->has_token = true;
	if (!reader_object(r, PLACE_TOKEN, at, raw, &f->token))
		return false;
	if (f->token.key_name == NULL)
		return reader_fail(r, at,
			"does not say where the API key is; allowed: one of api_key_file, "
			"api_key_env, api_key_credential");
	return true;
}

bool read_origins(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	struct config_token *t = field;
	struct list origins = { 0 };

	if (!reader_strings(r, o, at, raw, valid_origin,
		    "an origin such as \"https://example.org\"", &origins))
		return false;
	if (origins.count == 0 || origins.count > ORIGINS_MAX)
		return reader_fail(
			r, at, "has %zu elements; allowed: %s", origins.count, o->allowed);
	t->origins = origins.items;
	t->n_origins = origins.count;
	return true;
}

bool read_jwt_route(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	struct config_token *t = field;

	if (json_type_of(raw) == JSON_BOOL && slice_is(raw, "false"))
		return true;
	if (json_type_of(raw) != JSON_OBJECT)
		return reader_refuse(r, o, at, raw, o->allowed);
	t->has_jwt_route = true;
	if (!reader_object(r, PLACE_JWT_ROUTE, at, raw, t))
		return false;
	if (t->n_origins == 0 && t->header_file == NULL)
		return reader_fail(
			r, at, "would give the token to anybody; allowed: %s", o->allowed);
	return true;
}
