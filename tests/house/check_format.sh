#!/usr/bin/env bash
# Checks every C file against .clang-format.
# usage: check_format.sh SOURCE_DIR
set -euo pipefail
cd "$1"

mapfile -t files < <(find src tools tests -name node_modules -prune -o -type f -name '*.[ch]' -print 2>/dev/null | sort)
if [ "${#files[@]}" -eq 0 ]; then
	echo "no C files under '$1': there is nothing to check" >&2
	exit 1
fi
if ! clang-format --dry-run -Werror "${files[@]}"; then
	echo "to mend it: clang-format -i FILE" >&2
	exit 1
fi
