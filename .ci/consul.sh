#!/usr/bin/env bash
# Installs the program `consul` once, where Go's programs are, and does nothing where there is one already.
#
# Debian 12 has no package of Consul; Debian 11's runs there as it is. It is taken from the archive that this machine's
# own apt sources name, through lists of its own, and unpacked: nothing of the system is changed. To build a newer one of
# its Go module takes nine minutes of processor time, and modules that Go's checksum database does not know.
set -euo pipefail
bin=${1:-$(go env GOPATH)/bin}
if command -v consul >/dev/null || [[ -x $bin/consul ]]; then exit 0; fi

codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
older=bullseye
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial"

# The machine's sources of its own suite, with the suite replaced. Those of updates and security stay: they are small.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  if [[ -f $file ]] && grep -Eq "^[^#]*\b$codename\b.*" "$file"; then
    sed -E "s/\b$codename\b/$older/g" "$file" >"$work/sources/$(basename "$file")"
  fi
done
# The main file is read as one of the parts.
[[ ! -f $work/sources/sources.list ]] || mv "$work/sources/sources.list" "$work/sources/main.list"

# apt drops its privileges for downloads, to a user that may not look into a private folder.
options=(
  -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/sources" -o Dir::State::lists="$work/lists"
  -o Dir::Cache="$work/cache" -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none -o APT::Sandbox::User=root
)
apt-get "${options[@]}" update -qq
(cd "$work" && apt-get "${options[@]}" download -qq consul)
dpkg -x "$work"/consul_*.deb "$work/unpacked"
mkdir -p "$bin"
install -m 755 "$work/unpacked/usr/bin/consul" "$bin/consul"
"$bin/consul" version | head -n 1
