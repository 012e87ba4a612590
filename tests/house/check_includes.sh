#!/usr/bin/env bash
# Checks that includes point only downwards: base < proto < net, store and config beside them, record
# above those, status above record, tools/replay above all but record and status; and that each foreign library
# is included by the layer that owns it.
# usage: check_includes.sh SOURCE_DIR
set -euo pipefail
cd "$1"

mapfile -t files < <(find src tools/replay -name '*.[ch]' 2>/dev/null | sort)
if [ "${#files[@]}" -eq 0 ]; then
	echo "no C files under '$1/src': there is nothing to check" >&2
	exit 1
fi

awk '
BEGIN {
	may["base"] = "base"
	may["proto"] = "base proto"
	may["net"] = "base proto net"
	may["store"] = "base store"
	may["config"] = "base config"
	may["record"] = "base proto net store config record"
	may["status"] = "base proto net store config record status"
	may["main"] = may["status"]
	may["replay"] = "base proto net store config replay"

	# Foreign headers: a pattern, and the places that may include it.
	owner["^event2/"] = "^src/net/"
	owner["^curl/"] = "^src/net/"
	owner["^sqlite3\\.h$"] = "^src/store/"
	owner["^jansson\\.h$"] = "^src/config/|^src/record/token"
	owner["^wslay/"] = "^src/proto/"
	owner["^openssl/"] = "^src/proto/"
	owner["^zlib\\.h$"] = "^src/proto/"
	owner["^jwt\\.h$"] = "^tools/replay/"

	n = split("assert complex ctype dirent dlfcn endian errno fcntl fenv float fnmatch ftw getopt glob " \
		"grp ifaddrs inttypes iso646 langinfo libgen limits locale malloc math netdb poll pthread pwd " \
		"regex sched search semaphore setjmp signal spawn stdalign stdarg stdatomic stdbool stddef " \
		"stdint stdio stdlib stdnoreturn string strings syslog termios tgmath threads time uchar unistd " \
		"wchar wctype", names, " ")
	for (i = 1; i <= n; i++)
		libc[names[i] ".h"] = 1
}

function complain(text)
{
	printf "%s:%d: %s\n", FILENAME, FNR, text
	bad = 1
}

function layer_of(file, parts)
{
	split(file, parts, "/")
	if (parts[1] == "tools")
		return "replay"
	return parts[2] ~ /\.[ch]$/ ? "main" : parts[2]
}

function check_ours(name, layer, target, allowed, i, n)
{
	if (name !~ "/" && layer != "replay")
		return complain("\"" name "\" must be written with its directory, as in \"base/err.h\"")
	target = name ~ "/" ? substr(name, 1, index(name, "/") - 1) : "replay"
	if (!(layer in may))
		return complain("no rule for the directory \"" layer "\": add one to check_includes.sh")
	n = split(may[layer], allowed, " ")
	for (i = 1; i <= n; i++) {
		if (allowed[i] == target)
			return 0
	}
	complain(layer " must not include \"" name "\"; it may include: " may[layer])
}

function check_foreign(name, pattern)
{
	if (name in libc || name ~ /^(sys|netinet|arpa|net|linux)\//)
		return 0
	for (pattern in owner) {
		if (name ~ pattern) {
			if (FILENAME !~ owner[pattern])
				complain("<" name "> may be included only in " owner[pattern])
			return 0
		}
	}
	complain("<" name "> is neither of libc nor of a library with an owner in check_includes.sh")
}

/^[ \t]*#[ \t]*include/ {
	if (match($0, /"[^"]+"/))
		check_ours(substr($0, RSTART + 1, RLENGTH - 2), layer_of(FILENAME))
	else if (match($0, /<[^>]+>/))
		check_foreign(substr($0, RSTART + 1, RLENGTH - 2))
	else
		complain("cannot read this include")
}

END { exit bad }
' "${files[@]}"
