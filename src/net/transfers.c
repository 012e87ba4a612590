#include "net/transfers.h"

#include <assert.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* libcurl 7.88 forgets to go on to the next address when only its socket interface drives it; a look at
 * all transfers this often while any is connecting sees to it. */
#define CONNECT_DRIVE_US 500000

struct transfers {
	struct loop *loop;
	CURLM *multi;
	struct timer *timeout; /* libcurl's own */
	struct timer *drive;
	int running;
};

/* A socket that libcurl wants watched. */
struct watch {
	struct event *event;
	struct transfers *owner;
};

static void check_done(struct transfers *ts)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(ts->multi, &left)) != NULL) {
		struct transfer *t = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		t->is_running = false;
		ts->running--;
		t->done(t, code); /* may remove this or any other transfer */
	}
}

static void drive(struct transfers *ts, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(ts->multi, fd, what, &running);
	check_done(ts);
}

static void socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	drive(w->owner, fd,
		((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
			((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void drop_watch(struct transfers *ts, curl_socket_t fd, struct watch *w)
{
	(void)curl_multi_assign(ts->multi, fd, NULL);
	if (w == NULL)
		return;
	if (w->event != NULL)
		event_free(w->event);
	free(w);
}

/* libcurl says what to watch a socket for. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct transfers *ts = arg;
	struct watch *w = assigned;
	short events = (short)(((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
		((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0) | EV_PERSIST);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		drop_watch(ts, fd, w);
		return 0;
	}
	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		if (w == NULL)
			return -1;
		w->owner = ts;
		(void)curl_multi_assign(ts->multi, fd, w);
	}
	if (w->event != NULL)
		event_free(w->event);
	w->event = event_new(loop_base(ts->loop), fd, events, socket_ready, w);
	return w->event != NULL && event_add(w->event, NULL) == 0 ? 0 : -1;
}

static int set_timeout(CURLM *multi, long ms, void *arg)
{
	struct transfers *ts = arg;

	(void)multi;
	if (ms < 0)
		timer_stop(ts->timeout);
	else
		timer_start(ts->timeout, (int64_t)ms * 1000);
	return 0;
}

static void timeout_fired(void *arg)
{
	drive(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void drive_fired(void *arg)
{
	struct transfers *ts = arg;
	int running;

	(void)curl_multi_perform(ts->multi, &running);
	if (ts->running > 0)
		timer_start(ts->drive, CONNECT_DRIVE_US);
	check_done(ts);
}

struct transfers *transfers_new(struct loop *l)
{
	struct transfers *ts = calloc(1, sizeof(*ts));

	if (ts == NULL)
		return NULL;
	ts->loop = l;
	ts->multi = curl_multi_init();
	ts->timeout = timer_new(l, timeout_fired, ts);
	ts->drive = timer_new(l, drive_fired, ts);
	if (ts->multi == NULL || ts->timeout == NULL || ts->drive == NULL) {
		transfers_free(ts);
		return NULL;
	}
	(void)curl_multi_setopt(ts->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	(void)curl_multi_setopt(ts->multi, CURLMOPT_SOCKETDATA, ts);
	(void)curl_multi_setopt(ts->multi, CURLMOPT_TIMERFUNCTION, set_timeout);
	(void)curl_multi_setopt(ts->multi, CURLMOPT_TIMERDATA, ts);
	return ts;
}

void transfers_free(struct transfers *ts)
{
	if (ts == NULL)
		return;
	if (ts->multi != NULL)
		(void)curl_multi_cleanup(ts->multi);
	timer_free(ts->timeout);
	timer_free(ts->drive);
	free(ts);
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)arg;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool transfer_init(struct transfer *t, const char *url, const char *ca_file, const char *proxy,
	long connect_timeout_ms, struct err *e)
{
	bool ok;

	t->easy = curl_easy_init();
	if (t->easy == NULL)
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	ok = curl_easy_setopt(t->easy, CURLOPT_URL, url) == CURLE_OK &&
		curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
		curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) ==
			CURLE_OK &&
		curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
		curl_easy_setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
		curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
		curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms) ==
			CURLE_OK &&
		curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
		curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) == CURLE_OK;
	if (ok && ca_file != NULL)
		ok = curl_easy_setopt(t->easy, CURLOPT_CAINFO, ca_file) == CURLE_OK;
	if (ok && proxy != NULL)
		ok = curl_easy_setopt(t->easy, CURLOPT_PROXY, proxy) == CURLE_OK;
	if (ok)
		return true;
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
	return err_set(e, ERR_NOMEM, "cannot connect: libcurl refuses the settings");
}

bool transfer_add(struct transfers *ts, struct transfer *t, struct err *e)
{
	CURLMcode code = curl_multi_add_handle(ts->multi, t->easy);

	if (code != CURLM_OK)
		return err_set(
			e, ERR_NOMEM, "cannot start a transfer: %s", curl_multi_strerror(code));
	t->is_added = true;
	t->is_running = true;
	if (ts->running++ == 0)
		timer_start(ts->drive, CONNECT_DRIVE_US);
	return true;
}

void transfer_pause(struct transfers *ts, struct transfer *t)
{
	assert(t->is_added && !t->is_running);
	(void)curl_multi_remove_handle(ts->multi, t->easy);
	t->is_added = false;
}

void transfer_remove(struct transfers *ts, struct transfer *t)
{
	if (t->easy == NULL)
		return;
	if (t->is_added)
		(void)curl_multi_remove_handle(ts->multi, t->easy);
	if (t->is_running)
		ts->running--;
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
	t->is_added = false;
	t->is_running = false;
}

/* What a failure is to whoever must react to it. */
static enum err_code error_code(CURLcode code)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return ERR_TIMEOUT;
	case CURLE_COULDNT_CONNECT:
		return ERR_CONNREFUSED;
	case CURLE_OUT_OF_MEMORY:
		return ERR_NOMEM;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_ENGINE_INITFAILED:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CLIENTCERT:
		return ERR_TLS;
	default:
		return ERR_NETWORK;
	}
}

bool transfer_error(const struct transfer *t, CURLcode code, struct err *e)
{
	return err_set(e, error_code(code), "%s",
		t->error[0] != '\0' ? t->error : curl_easy_strerror(code));
}
