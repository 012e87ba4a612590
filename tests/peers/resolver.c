/*
 * resolver: a name look-up and a black hole for one process, by LD_PRELOAD.
 *
 * TAPEDECK_HOSTS="name=ms:address,address;name=..." answers getaddrinfo for these names after that many
 * milliseconds, with the addresses in their order; every other name does not exist. A connect to 192.0.2.1
 * never ends. So a test needs no name server, no firewall and no rights.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOLE "192.0.2.1"

/* What TAPEDECK_HOSTS says of a name, "ms:address,...", in memory of its own; NULL: nothing. */
static char *entry_of(const char *name)
{
	const char *at = getenv("TAPEDECK_HOSTS");
	size_t len = strlen(name);

	while (at != NULL && *at != '\0') {
		size_t size = strcspn(at, ";");

		if (size > len && strncmp(at, name, len) == 0 && at[len] == '=')
			return strndup(at + len + 1, size - len - 1);
		at += size + (at[size] == ';');
	}
	return NULL;
}

/* Laid out as libc does, a block for each result, so that its freeaddrinfo takes them back. */
static int append(struct addrinfo **last, const char *address, const char *port, int socktype)
{
	struct {
		struct addrinfo info;
		struct sockaddr_in in;
	} *block = calloc(1, sizeof(*block));

	if (block == NULL)
		return EAI_MEMORY;
	block->in.sin_family = AF_INET;
	block->in.sin_port = htons((uint16_t)(port != NULL ? atoi(port) : 0));
	if (inet_pton(AF_INET, address, &block->in.sin_addr) != 1)
		abort(); /* the test is wrong */
	block->info.ai_family = AF_INET;
	block->info.ai_socktype = socktype;
	block->info.ai_addrlen = sizeof(block->in);
	block->info.ai_addr = (struct sockaddr *)(void *)&block->in;
	*last = &block->info;
	return 0;
}

/* Replaces libc's. */
int getaddrinfo(
	const char *name, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
	char *entry = entry_of(name != NULL ? name : "");
	struct addrinfo **last = out;
	char *rest = NULL;
	int code = 0;

	*out = NULL;
	if (entry == NULL)
		return EAI_NONAME;
	usleep((useconds_t)atoi(strtok_r(entry, ":", &rest)) * 1000);
	for (char *a; code == 0 && (a = strtok_r(NULL, ",", &rest)) != NULL;) {
		code = append(last, a, port, hints != NULL ? hints->ai_socktype : SOCK_STREAM);
		if (code == 0)
			last = &(*last)->ai_next;
	}
	free(entry);
	return code;
}

/* Puts a socket that never becomes writable in the place of `fd`. */
static int fall_into_hole(int fd)
{
	int pair[2];
	char bytes[4096] = { 0 };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	while (write(pair[0], bytes, sizeof(bytes)) > 0)
		;
	(void)dup3(pair[0], fd, O_CLOEXEC);
	(void)close(pair[0]); /* the other end stays open, as nobody reads in a hole */
	errno = EINPROGRESS;
	return -1;
}

/* Replaces libc's. */
int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	static int (*next)(int, const struct sockaddr *, socklen_t);
	struct sockaddr_in in = { 0 };
	void *found;

	if (len >= sizeof(in)) {
		memcpy(&in, address, sizeof(in));
		if (in.sin_family == AF_INET && in.sin_addr.s_addr == inet_addr(HOLE))
			return fall_into_hole(fd);
	}
	if (next == NULL) {
		found = dlsym(RTLD_NEXT, "connect");
		memcpy(&next, &found, sizeof(next));
	}
	return next(fd, address, len);
}
