#include "server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "base/units.h"
#include "control.h"
#include "page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define SECOND_US 1000000
#define FAREWELL_US 500000         /* for clients to read the last words */
#define FAREWELL_LOOK_US 10000     /* between two looks at who is still there */
#define BODY_MAX ((size_t)1 << 20) /* of a client's POST or message */
#define OUT_MAX \
	((size_t)32 << 20)    /* bytes that may wait for a client: an event with its attachments */
#define REQUEST_US 20000000   /* for a whole request to arrive */
#define IDLE_US 75000000      /* between the requests of a connection */
#define CONNECTIONS_EXTRA 100 /* beside those of the clients */
#define CONNECTIONS_OF_A_CLIENT 2 /* one that polls has two at times */

/* ---- requests ---- */

static void request(void *arg, struct http_exchange *x)
{
	struct server *s = arg;

	if (slice_is(http_exchange_path(x), "/jwt")) {
		server_jwt_take(s, x);
		return;
	}
	if (control_take(s, x) || page_take(x))
		return;
	for (size_t i = 0; i < s->n_sites; i++)
		if (sio_server_take(s->sites[i].sio, x))
			return;
	server_reply_error(x, 404, "there is nothing here");
}

/* ---- every second ---- */

static void show_progress(struct server *s, int64_t now_us)
{
	struct player_status status;
	char position[TIMESTAMP_TEXT_MAX];
	char speed[SERVE_SPEED_MAX];
	double seconds = (double)(now_us - s->second_us) / 1e6;

	player_status(s->player, &status);
	timestamp_format(status.position_us, position);
	log_progress("replay", log_text("state", schedule_state_name(status.state)),
		log_text("position", position),
		log_text("speed", serve_speed_text(status.speed, speed)),
		log_int("clients", (int64_t)status.clients),
		log_real("events_per_s", (double)(status.emitted - s->emitted_before) / seconds),
		log_int("emitted", (int64_t)status.emitted));
	s->emitted_before = status.emitted;
	s->second_us = now_us;
}

static void second(void *arg)
{
	struct server *s = arg;
	int64_t now = clock_mono_us();

	if (s->is_stopping) {
		if (LIST_EMPTY(&s->clients) || now >= s->stops_us)
			loop_stop(s->loop);
		timer_start(s->second, FAREWELL_LOOK_US);
		return;
	}
	show_progress(s, now);
	if (s->lost != NULL)
		lost_expire(s->lost, now);
	if (s->options->expires_live)
		server_expire(s, clock_wall_us() / SECOND_US);
	timer_start(s->second, SECOND_US);
}

/* ---- opening ---- */

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot serve: out of memory");
}

static bool open_tape(struct server *s, struct err *e)
{
	const struct serve_options *o = s->options;
	struct tape_choice choice = choice_of(&o->choice);
	int64_t first_us, last_us;

	if (!tape_open(&s->tape, o->paths, o->n_paths, &choice, e) ||
		!venues_init(&s->venues, s->tape, e))
		return false;
	tape_span(s->tape, &first_us, &last_us);
	if (first_us != TAPE_NONE)
		return true;
	return err_set(e, ERR_CONFIG,
		"nothing can be played: the recordings hold no event of what is chosen; see "
		"'tapedeck-replay info'");
}

/* So many descriptors as clients may come, and as the system grants. */
static void raise_descriptors(const struct serve_options *o)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)o->max_clients * CONNECTIONS_OF_A_CLIENT + CONNECTIONS_EXTRA;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < o->max_clients + CONNECTIONS_EXTRA)
		log_line(LOG_WARN, "the system grants fewer descriptors than clients may come",
			log_int("descriptors", (int64_t)limit.rlim_cur),
			log_int("max_clients", (int64_t)o->max_clients),
			log_text("run", "ulimit -n"));
}

static bool open_player(struct server *s, struct err *e)
{
	const struct serve_options *o = s->options;

	if (!player_new(&s->player, s->loop, s->tape, &s->venues, &o->play, &server_player_events,
		    s, e))
		return false;
	if (!serve_options_fit(o, player_length(s->player), e))
		return false;
	if (!jwt_issue_new(&s->issue, o->lifetime_us / SECOND_US, e))
		return false;
	if (o->has_key && !config_api_key(&o->key, &s->key, e))
		return false;
	if (o->recovery_us == 0)
		return true;
	s->lost = lost_new(o->recovery_us);
	return s->lost != NULL || no_memory(e);
}

static bool has_site(const struct server *s, struct slice io_path)
{
	for (size_t i = 0; i < s->n_sites; i++)
		if (slice_equal(s->sites[i].io_path, io_path))
			return true;
	return false;
}

static bool open_site(struct server *s, struct slice io_path, struct err *e)
{
	const struct serve_options *o = s->options;
	struct server_site *site = &s->sites[s->n_sites];
	const struct eio_server_options options = {
		.path = io_path.ptr,
		.ping_interval_ms = (uint32_t)(o->ping_interval_us / UNITS_MS),
		.ping_timeout_ms = (uint32_t)(o->ping_timeout_us / UNITS_MS),
		.max_payload = BODY_MAX,
		.out_max = OUT_MAX,
		.sessions_max = o->max_clients,
		.allows_eio3 = true,
		.allows_09 = true,
	};

	*site = (struct server_site){ .server = s, .io_path = io_path };
	if (!sio_server_new(&site->sio, s->loop, &options, &server_client_events, site, e))
		return false;
	s->n_sites++;
	return true;
}

static bool open_sites(struct server *s, struct err *e)
{
	s->sites = calloc(s->venues.count + 1, sizeof(*s->sites));
	if (s->sites == NULL)
		return no_memory(e);
	for (size_t i = 0; i < s->venues.count; i++)
		if (!has_site(s, s->venues.list[i].io_path) &&
			!open_site(s, s->venues.list[i].io_path, e))
			return false;
	return true;
}

static bool open_http(struct server *s, struct err *e)
{
	const struct serve_options *o = s->options;
	const struct http_server_options options = {
		.host = o->host,
		.port = o->port,
		.connections_max = o->max_clients * CONNECTIONS_OF_A_CLIENT + CONNECTIONS_EXTRA,
		.body_max = BODY_MAX,
		.request_us = REQUEST_US,
		.idle_us = IDLE_US,
	};

	raise_descriptors(o);
	return http_server_new(&s->http, s->loop, &options, request, s, e);
}

void server_say_start(const struct server *s)
{
	const struct serve_options *o = s->options;
	struct player_status status;
	char from[TIMESTAMP_TEXT_MAX], to[TIMESTAMP_TEXT_MAX];
	char address[SERVE_HOST_MAX + 32];
	bool is_v6 = strchr(o->host, ':') != NULL;
	size_t count;
	const struct tape_stream *streams = tape_streams(s->tape, &count);
	uint64_t events = 0;

	for (size_t i = 0; i < count; i++)
		events += streams[i].events;
	player_status(s->player, &status);
	timestamp_format(status.from_us, from);
	timestamp_format(status.to_us, to);
	(void)snprintf(address, sizeof(address), "http://%s%s%s:%" PRIu16, is_v6 ? "[" : "",
		*o->host != '\0' ? o->host : "0.0.0.0", is_v6 ? "]" : "",
		http_server_port(s->http));
	log_line(LOG_INFO, "serving", log_text("address", address),
		log_int("recordings", (int64_t)tape_recordings(s->tape)),
		log_int("streams", (int64_t)count), log_int("events", (int64_t)events),
		log_text("from", from), log_text("to", to),
		log_int("seed", (int64_t)o->faults.seed));
}

static bool open_all(struct server *s, struct err *e)
{
	const struct serve_options *o = s->options;

	s->second = timer_new(s->loop, second, s);
	if (s->second == NULL)
		return no_memory(e);
	if (!open_tape(s, e) || !open_player(s, e) || !open_sites(s, e) ||
		!overview_new(
			&s->overview, s->loop, o->paths, o->n_paths, &s->choice, o->has_key, e) ||
		!open_http(s, e))
		return false;
	s->second_us = clock_mono_us();
	timer_start(s->second, SECOND_US);
	return true;
}

bool server_open(
	struct server **out, struct loop *l, const struct serve_options *options, struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return no_memory(e);
	s->options = options;
	s->loop = l;
	s->choice = choice_of(&options->choice);
	if (!open_all(s, e)) {
		server_close(s);
		return false;
	}
	*out = s;
	return true;
}

void server_close(struct server *s)
{
	if (s == NULL)
		return;
	s->is_stopping = true;
	server_jwt_close(s);
	overview_free(s->overview);
	for (size_t i = 0; i < s->n_sites; i++)
		sio_server_free(s->sites[i].sio);
	http_server_free(s->http);
	lost_free(s->lost);
	player_free(s->player);
	venues_release(&s->venues);
	tape_close(s->tape);
	jwt_issue_free(s->issue);
	secret_free(s->key);
	timer_free(s->second);
	free(s->sites);
	free(s);
}

void server_stop(struct server *s)
{
	if (s->is_stopping) {
		loop_stop(s->loop);
		return;
	}
	s->is_stopping = true;
	s->stops_us = clock_mono_us() + FAREWELL_US;
	server_say_goodbye(s);
	timer_start(s->second, 0);
}
