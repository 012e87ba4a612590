/*
 * valid: which names and texts the configuration takes.
 */
#ifndef TAPEDECK_CONFIG_VALID_H
#define TAPEDECK_CONFIG_VALID_H

#include <stdbool.h>

/* Not empty, no control character. */
bool valid_text(const char *text);

/* 1 to CONFIG_NAME_MAX of A-Z a-z 0-9 . _ - */
bool valid_feed_name(const char *text);

/* A file's name: not empty. */
bool valid_file(const char *text);

/* A request path: begins with '/', ends before any '?' or '#', no character that needs an escape. */
bool valid_io_path(const char *text);

/* Begins with '/'; no ',' (it ends a namespace on the wire), no control character. */
bool valid_namespace(const char *text);

/* http, https, socks4, socks4a, socks5 or socks5h, "://", maybe user:password@, a host, maybe a port; or
 * "" for none. */
bool valid_proxy(const char *text);

/* The name of an environment variable. */
bool valid_variable(const char *text);

/* The name of a systemd credential: a file name without '/'. */
bool valid_credential(const char *text);

/* RFC 6901: "" or steps that begin with '/', '~' only as ~0 and ~1. */
bool valid_pointer(const char *text);

/* An SQL identifier that is neither SQLite's nor one of the recording's own. */
bool valid_table(const char *text);

/* scheme://host, maybe a port, as a browser's Origin header says it. */
bool valid_origin(const char *text);

/* A name in a URL's query that the handshake does not use itself. */
bool valid_query_name(const char *text);

/* A token (RFC 9110) that the handshake does not set itself. */
bool valid_header_name(const char *text);

/* A header's value: no CR, LF or other control character but tab, no white space around it. */
bool valid_header_value(const char *text);

#endif
