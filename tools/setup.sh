#!/usr/bin/env bash
# Installs what is missing to build and test tapedeck on Debian 12: packages, and the Socket.IO packages
# of tests/peers. Says nothing and does nothing where nothing is missing.
# usage: tools/setup.sh [--demo]     --demo: only what tools/demo.sh needs
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(gcc libc6-dev cmake make pkg-config libevent-dev libcurl4-openssl-dev libwslay-dev
	libjansson-dev libsqlite3-dev libssl-dev zlib1g-dev libjwt-dev libcmocka-dev sqlite3 ca-certificates)
case "${1-}" in
--demo) ;;
"") packages+=(clang libclang-rt-dev clang-format openssl bsdutils procps faketime jq
	python3 python3-pandas r-base-core r-cran-dbi r-cran-rsqlite
	chromium curl python3-socketio python3-socketio-client python3-websocket python3-requests) ;;
*)
	echo "usage: tools/setup.sh [--demo]" >&2
	exit 2
	;;
esac

# Any Node.js from 18 on will do, wherever it comes from; the demo needs none.
node_major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
if [ "${1-}" != --demo ] && { [ "$node_major" -lt 18 ] || ! command -v npm >/dev/null; }; then
	packages+=(nodejs npm)
fi

missing_packages() {
	local installed

	installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' "${packages[@]}" 2>/dev/null || true)"
	for package in "${packages[@]}"; do
		[[ $installed == *" installed=$package "* ]] || echo "$package"
	done
}

if ! command -v dpkg-query >/dev/null; then
	echo "this is no Debian: the packages needed are there called ${packages[*]}" >&2
else
	mapfile -t missing < <(missing_packages)
	if [ "${#missing[@]}" -ne 0 ]; then
		echo "installing: ${missing[*]}"
		as_root=()
		[ "$(id -u)" -eq 0 ] || as_root=(sudo)
		"${as_root[@]}" apt-get update -qq
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
	fi
fi

# Written by npm at the end of an installation, so it is the newer one until the lock file changes.
if [ "${1-}" != --demo ] && [ tests/peers/package-lock.json -nt tests/peers/node_modules/.package-lock.json ]; then
	echo "installing the Socket.IO packages of tests/peers"
	npm ci --prefix tests/peers --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
fi
