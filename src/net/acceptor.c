#include "net/acceptor.h"

#include "base/clock.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024
#define WARN_EVERY_US ((int64_t)60 * 1000000)

struct acceptor {
	struct evconnlistener *listener;
	struct timer *pause;
	void (*accepted)(void *arg, int fd);
	void *arg;
	uint16_t port;
	int64_t warned_us; /* when the last warning was written; 0: never */
};

static void take_connection(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *sa, int len, void *arg)
{
	struct acceptor *a = arg;
	int one = 1;

	(void)listener;
	(void)sa;
	(void)len;
	/* Answers are written whole, so there is nothing to wait for. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	a->accepted(a->arg, fd);
}

static void resume(void *arg)
{
	struct acceptor *a = arg;

	(void)evconnlistener_enable(a->listener);
}

static void accept_failed(struct evconnlistener *listener, void *arg)
{
	struct acceptor *a = arg;
	int cause = errno;
	int64_t now = clock_mono_us();

	(void)evconnlistener_disable(listener);
	timer_start(a->pause, ACCEPTOR_PAUSE_US);
	if (a->warned_us != 0 && now - a->warned_us < WARN_EVERY_US)
		return;
	a->warned_us = now;
	log_line(LOG_WARN,
		cause == EMFILE
			? "no connection can be accepted; raise the limit of open files (ulimit -n)"
			: "no connection can be accepted",
		log_int("port", a->port), log_text("error", strerror(cause)));
}

/* The port that the system chose, where it was to choose. */
static uint16_t port_of(evutil_socket_t fd)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		return 0;
	return ntohs(sa.ss_family == AF_INET6
			? ((const struct sockaddr_in6 *)(const void *)&sa)->sin6_port
			: ((const struct sockaddr_in *)(const void *)&sa)->sin_port);
}

static struct evconnlistener *listen_on(
	struct acceptor *a, struct loop *l, const struct addrinfo *address)
{
	return evconnlistener_new_bind(loop_base(l), take_connection, a,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG,
		address->ai_addr, (int)address->ai_addrlen);
}

/* Listens on the first of the host's addresses that can be had. */
static bool listen_on_host(
	struct acceptor *a, struct loop *l, const char *host, uint16_t port, struct err *e)
{
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char service[8];
	int code, cause = 0;

	(void)snprintf(service, sizeof(service), "%u", port);
	code = getaddrinfo(host, service, &hints, &found);
	if (code != 0)
		return err_set(e, ERR_NETWORK, "cannot listen on '%s': %s", host,
			code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
	for (struct addrinfo *i = found; i != NULL && a->listener == NULL; i = i->ai_next) {
		a->listener = listen_on(a, l, i);
		cause = errno;
	}
	freeaddrinfo(found);
	if (a->listener == NULL)
		return err_set(e, ERR_NETWORK, "cannot listen on '%s', port %u: %s", host, port,
			strerror(cause));
	return true;
}

bool acceptor_new(struct acceptor **out, struct loop *l, const char *host, uint16_t port,
	void (*accepted)(void *arg, int fd), void *arg, struct err *e)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	bool is_any = host[0] == '\0' || strcmp(host, "::") == 0;
	bool ok;

	if (a == NULL)
		return err_set(e, ERR_NOMEM, "cannot listen: out of memory");
	a->accepted = accepted;
	a->arg = arg;
	a->pause = timer_new(l, resume, a);
	if (a->pause == NULL) {
		free(a);
		return err_set(e, ERR_NOMEM, "cannot listen: out of memory");
	}
	/* Where there is no IPv6, all addresses are those of IPv4. */
	ok = listen_on_host(a, l, is_any ? "::" : host, port, e) ||
		(is_any && listen_on_host(a, l, "0.0.0.0", port, e));
	if (!ok) {
		acceptor_free(a);
		return false;
	}
	evconnlistener_set_error_cb(a->listener, accept_failed);
	a->port = port_of(evconnlistener_get_fd(a->listener));
	*out = a;
	return true;
}

void acceptor_free(struct acceptor *a)
{
	if (a == NULL)
		return;
	if (a->listener != NULL)
		evconnlistener_free(a->listener);
	timer_free(a->pause);
	free(a);
}

uint16_t acceptor_port(const struct acceptor *a)
{
	return a->port;
}
