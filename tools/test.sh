#!/usr/bin/env bash
# Runs every check: format and layers, all tests on the optimised build, unit and end-to-end tests under
# ASan+UBSan, those of the threads under TSan, and each fuzz target for a few seconds.
# usage: tools/test.sh
set -euo pipefail
cd "$(dirname "$0")/.."

FUZZ_SECONDS=5
JOBS=$(($(nproc) + 1)) # most tests wait for something most of the time
passed=0
failed=0

heading() {
	printf '\n== %s\n' "$1"
}

# check NAME COMMAND...: counts a command as one more test.
check() {
	local name=$1

	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $name"
	fi
}

build() {
	local log

	heading "build: $1"
	log=$(mktemp)
	if ! { cmake --preset "$1" && cmake --build --preset "$1" --parallel "$(nproc)"; } >"$log" 2>&1; then
		cat "$log"
		exit 1
	fi
	rm "$log"
}

# run_tests BUILD_DIR [CTEST_OPTION...]: adds ctest's counts to ours.
run_tests() {
	local log line

	heading "tests: $*"
	log=$(mktemp)
	ctest --test-dir "$1" -j"$JOBS" --output-on-failure --no-tests=error "${@:2}" 2>&1 | tee "$log" || true
	line=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests? failed out of [0-9]+$' "$log" || true)
	rm "$log"
	if [[ $line =~ ([0-9]+)\ tests?\ failed\ out\ of\ ([0-9]+) ]]; then
		failed=$((failed + BASH_REMATCH[1]))
		passed=$((passed + BASH_REMATCH[2] - BASH_REMATCH[1]))
	else
		failed=$((failed + 1))
		echo "FAILED: ctest in $1 did not finish"
	fi
}

# A short run finds what breaks at once; its findings are printed by the target itself. The corpus, where
# there is one, is read and not added to.
run_fuzz() {
	local name output corpora

	name=$(basename "$1")
	output=$(mktemp -d)
	mkdir "$output/new"
	corpora=("$output/new")
	[ ! -d "tests/fuzz/corpus/${name#fuzz_}" ] || corpora+=("tests/fuzz/corpus/${name#fuzz_}")
	if "$1" -max_total_time="$FUZZ_SECONDS" -max_len=65536 -artifact_prefix="$output/" \
		"${corpora[@]}" >"$output/log" 2>&1; then
		echo "$name: $(grep '^Done ' "$output/log")"
		rm -r "$output"
	else
		tail -n 60 "$output/log"
		echo "the input that broke it is in $output"
		return 1
	fi
}

tools/setup.sh
heading "format and layers"
check format tests/house/check_format.sh .
check includes tests/house/check_includes.sh .

for preset in default asan tsan; do
	build "$preset"
done

run_tests build
run_tests build-asan -L '^(unit|e2e)$'
run_tests build-tsan -R '^(unit\.|e2e\.record$)'

heading "fuzz targets, $FUZZ_SECONDS s each"
for target in build-asan/fuzz/fuzz_*; do
	if [ -f "$target" ] && [ -x "$target" ]; then
		check "$(basename "$target")" run_fuzz "$target"
	fi
done

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
