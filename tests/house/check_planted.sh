#!/usr/bin/env bash
# Checks the checks: a clean copy of the sources must pass, and each violation planted into it must be
# reported with the name of its file. A check that selects no files would pass for ever otherwise.
# usage: check_planted.sh SOURCE_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
failed=0

fail() {
	echo "$1" >&2
	failed=1
}

# plant CHECK FILE TEXT: CHECK must fail and name FILE once TEXT stands in it.
plant() {
	local output file=$copy/$2

	mkdir -p "$(dirname "$file")"
	printf '%b' "$3" >"$file"
	if output=$("$here/$1" "$copy" 2>&1); then
		fail "$1 does not see in $2: $3"
	elif [[ $output != *"$2"* ]]; then
		fail "$1 fails without naming $2: $output"
	fi
	rm "$file"
}

for check in check_includes.sh check_format.sh; do
	if "$here/$check" "$copy" >/dev/null 2>&1; then
		fail "$check passes where there is nothing to check"
	fi
done

cp -r "$1/src" "$1/.clang-format" "$copy"
mkdir "$copy/tools"
cp -r "$1/tools/replay" "$copy/tools"
for check in check_includes.sh check_format.sh; do
	"$here/$check" "$copy" || fail "$check fails on the sources as they are"
done

plant check_includes.sh src/base/planted.c '#include "proto/ws.h"\n'
plant check_includes.sh src/proto/planted.c '#include "net/loop.h"\n'
plant check_includes.sh src/net/planted.c '#include "store/writer.h"\n'
plant check_includes.sh src/store/planted.h '#include "proto/ws.h"\n'
plant check_includes.sh src/config/planted.c '#include "store/writer.h"\n'
plant check_includes.sh src/record/planted.c '#include "status/health.h"\n'
plant check_includes.sh tools/replay/planted.c '#include "record/session.h"\n'
plant check_includes.sh tools/replay/planted.h '#include "status/health.h"\n'
plant check_includes.sh tools/replay/planted.c '#include <sqlite3.h>\n'
plant check_includes.sh src/store/planted.c '#include "table.h"\n'
plant check_includes.sh src/other/planted.c '#include "base/err.h"\n'
plant check_includes.sh src/base/planted.c '#include "err.h"\n'
plant check_includes.sh src/base/planted.c '#include <event2/event.h>\n'
plant check_includes.sh src/record/planted.c '#include <curl/curl.h>\n'
plant check_includes.sh src/record/planted.c '#include <sqlite3.h>\n'
plant check_includes.sh src/store/planted.c '# include <jansson.h>\n'
plant check_includes.sh src/record/session.planted.c '#include <jansson.h>\n'
plant check_includes.sh src/net/planted.c '#include <wslay/wslay.h>\n'
plant check_includes.sh src/net/planted.c '#include <openssl/sha.h>\n'
plant check_includes.sh src/base/planted.c '#include <glib.h>\n'
plant check_format.sh src/base/planted.c 'int planted( void );\n'
plant check_format.sh src/net/planted.h 'static inline int f(void)\n{\n  return 1;\n}\n'
plant check_format.sh tests/unit/planted.c 'int  a;\n'
plant check_format.sh tools/replay/planted.c 'int  a;\n'

exit "$failed"
