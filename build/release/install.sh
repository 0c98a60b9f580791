#!/bin/sh
# Installs Mini-Chat for one user, without root: the client, or with the word "server" the server. `--help` says more.
#
# POSIX sh, so that dash, BusyBox, bash and the sh of macOS run it. All of it stands in functions, and the last line calls
# them: of a copy that was cut off on its way, nothing runs.

# Both are written into the copy that is published beside the archives (build/release/installers.ts).
release_url=''
public_key=''

usage() {
  cat <<END
Installs Mini-Chat for one user, without root.

  sh install.sh [client|server] [--dir FOLDER] [--url FOLDER]
  sh install.sh uninstall [client|server] [--dir FOLDER]

  client, server   Which program; the client, if not said. Running it again updates.
  uninstall        Removes the program, its completions and its man pages; logins and data stay
  --dir FOLDER     Where the program is put: ~/.local/bin, or \$MINI_CHAT_INSTALL_DIR
  --url FOLDER     The https:// address that the archives are beside, or \$MINI_CHAT_RELEASE_URL
                   now: ${release_url:-none is written into this copy}

Completions and man pages go to \$XDG_DATA_HOME, or ~/.local/share.

Exit codes: 0 done; 1 something else; 2 wrong arguments; 3 no program for this machine; 4 a tool is missing;
5 not downloaded; 6 the checksum or the signature is wrong; 7 not written; 8 the program does not run here.
END
}

main() {
  set -u
  umask 022
  program=mini-chat-client
  action=install
  folder=${MINI_CHAT_INSTALL_DIR:-}
  url=${MINI_CHAT_RELEASE_URL:-$release_url}
  while [ $# -gt 0 ]; do
    case $1 in
      client | server) program=mini-chat-$1 ;;
      install | uninstall) action=$1 ;;
      --dir | --url)
        [ -n "${2:-}" ] || fail 2 "Cannot go on: $1 needs a value; see --help"
        if [ "$1" = --dir ]; then folder=$2; else url=$2; fi
        shift
        ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) fail 2 "Cannot understand \"$1\"; see --help" ;;
    esac
    shift
  done
  if [ -z "$folder" ]; then
    # `curl … | sudo sh` would install for root, where the person who typed it never looks.
    [ -z "${SUDO_USER:-}" ] || fail 2 "Cannot tell whom to install for: this runs by sudo; run it without, or say --dir FOLDER"
    folder=${HOME:?}/.local/bin
  fi
  case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
  share=${XDG_DATA_HOME:-${HOME:?}/.local/share}
  "$action"
}

install() {
  case $url in
    '') fail 2 "Cannot tell where to download from: this copy of install.sh names no release; say --url https://…" ;;
    https://* | http://127.0.0.1:*) url=${url%/} ;;
    *) fail 2 "Cannot download from \"$url\": it has to begin with https://" ;;
  esac
  find_target
  find_tools
  archive=$program-$target.tar.gz

  [ ! -d "$folder/$program" ] || fail 7 "Cannot install $program: $folder/$program is a folder; move it away, or say --dir FOLDER"
  reason=$(mkdir -p "$folder" 2>&1) || fail 7 "Cannot make $folder: ${reason##*: }; say --dir FOLDER for another"
  outcome='Nothing was installed'
  trap 'clean_up' EXIT
  trap 'stop 129' HUP
  trap 'stop 130' INT
  trap 'stop 143' TERM
  remove_leftovers
  # In the folder itself: only within one file system is a rename whole or not at all.
  temp=$folder/.mini-chat-install.$$
  reason=$(mkdir "$temp" 2>&1) || fail 7 "Cannot write into $folder: ${reason##*: }; say --dir FOLDER for another"

  fetch SHA256SUMS
  check_signature
  fetch "$archive"
  check_sum
  mkdir "$temp/files"
  tar -xzf "$temp/$archive" -C "$temp/files" </dev/null ||
    fail 7 "Cannot unpack $archive in $folder: is there room for 300 MB? $outcome"
  rm -f "$temp/$archive"
  [ -f "$temp/files/$program" ] || fail 6 "Cannot install $program: $archive does not hold it. $outcome"
  chmod 755 "$temp/files/$program"
  said=$("$temp/files/$program" --version 2>&1 </dev/null) ||
    fail 8 "Cannot run $program on this machine: ${said:-it ended without a word}. $outcome"

  # A program that runs goes on with the file it has; the next start takes the new one.
  reason=$(mv -f "$temp/files/$program" "$folder/$program" 2>&1) ||
    fail 7 "Cannot put $program into $folder: ${reason##*: }. $outcome"
  outcome="$program is installed, its completions and man pages perhaps not"
  place_extras
  clean_up
  say "Installed $program in $folder ($(echo "$said" | head -n 1))."
  say_next
}

# Sets target, or says why there is no program for this machine.
find_target() {
  system=$(uname -s) machine=$(uname -m)
  case $system in
    Linux) system=linux ;;
    Darwin) system=macos ;;
    MINGW* | MSYS* | CYGWIN*) fail 3 "Cannot install on Windows with sh: run install.ps1 in PowerShell" ;;
    *) fail 3 "Cannot install on $system: there are programs for Linux, macOS and Windows" ;;
  esac
  case $machine in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) fail 3 "Cannot install on a machine of the kind $machine: there are programs for x86_64 and arm64" ;;
  esac
  if [ $system = macos ]; then
    # A shell that Rosetta translates is told x86_64 on an arm64 machine.
    [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" != 1 ] || machine=arm64
  else
    # A 64-bit kernel may have 32-bit programs alone, as on many a Raspberry Pi.
    [ "$(getconf LONG_BIT 2>/dev/null)" != 32 ] ||
      fail 3 "Cannot install: this system's programs are 32-bit, although its kernel is 64-bit; it takes a 64-bit system"
    case $(ldd --version 2>&1 </dev/null) in
      *musl*) fail 3 "Cannot install: this system uses musl, as Alpine does, and the programs need glibc; use the container image, or a system with glibc" ;;
    esac
  fi
  target=$system-$machine
}

# Sets downloader and summer, or says what to install.
find_tools() {
  for tool in tar gzip mv; do
    has $tool || fail 4 "Cannot install: the program $tool is missing; install it first"
  done
  if has curl; then
    downloader=curl
  elif has wget; then
    downloader=wget
    case $(wget --help 2>&1) in
      *BusyBox*) fail 4 "Cannot download safely: BusyBox's wget does not check certificates; install curl or GNU wget first" ;;
    esac
  else
    fail 4 "Cannot download: neither curl nor wget is installed; install one of them first"
  fi
  if has sha256sum; then
    summer=sha256sum
  elif has shasum; then
    summer='shasum -a 256'
  elif has openssl; then
    summer='openssl dgst -sha256 -r'
  else
    fail 4 "Cannot check what is downloaded: none of sha256sum, shasum and openssl is installed; install one of them first"
  fi
}

# Downloads a file of the release into the temporary folder.
fetch() {
  say "Downloading $url/$1"
  code=0 fetching=yes
  # In the background: while a shell waits for a program in the foreground, it does not hear Ctrl+C itself.
  if [ "$downloader" = curl ]; then
    show=-sS
    [ ! -t 2 ] || show=--progress-bar
    curl --proto "=${url%%:*}" -fL $show --connect-timeout 20 --speed-limit 1 --speed-time 60 \
      -o "$temp/$1" "$url/$1" </dev/null &
  else
    wget -q --tries=2 --timeout=60 -O "$temp/$1" "$url/$1" </dev/null &
  fi
  wait $! || code=$?
  fetching=''
  case $downloader$code in
    *[a-z]0) ;;
    curl22 | wget8) fail 5 "Cannot download $url/$1: the server has no such file, or refused. $outcome" ;;
    curl23 | wget3) fail 7 "Cannot write what is downloaded into $folder: is the disk full? $outcome" ;;
    *) fail 5 "Cannot download $url/$1: the connection failed ($downloader ended with $code); try again. $outcome" ;;
  esac
}

check_signature() {
  [ -n "$public_key" ] || return 0
  if has minisign; then
    fetch SHA256SUMS.minisig
    reason=$(minisign -Vq -P "$public_key" -m "$temp/SHA256SUMS" -x "$temp/SHA256SUMS.minisig" 2>&1) ||
      fail 6 "Cannot trust SHA256SUMS: its signature is wrong (${reason:-minisign gave no reason}). $outcome"
    say "The signature is right."
  else
    say "The signature was not checked, as minisign is not installed; the checksum is checked."
  fi
}

check_sum() {
  wanted=''
  while read -r sum name; do
    [ "${name#\*}" != "$archive" ] || wanted=$sum
  done <"$temp/SHA256SUMS"
  [ -n "$wanted" ] || fail 6 "Cannot check $archive: SHA256SUMS does not name it. $outcome"
  sum=$($summer "$temp/$archive" </dev/null)
  sum=${sum%% *}
  [ "$sum" = "$wanted" ] ||
    fail 6 "Cannot trust $archive: its SHA-256 is ${sum:-unknown}, SHA256SUMS says $wanted; try again. $outcome"
}

# Completions and man pages: the program is good without them, so nothing ends here.
place_extras() {
  files=$temp/files
  for page in "$files"/man/*.[1-8]; do
    place "$page" "$share/man/man${page##*.}" "${page##*/}"
  done
  place "$files/completions/bash/$program" "$share/bash-completion/completions" "$program"
  place "$files/completions/zsh/_$program" "$share/zsh/site-functions" "_$program"
  place "$files/completions/fish/$program.fish" "$share/fish/vendor_completions.d" "$program.fish"
}

# place FILE FOLDER NAME
place() {
  [ -f "$1" ] || return 0
  new=$2/.$3.$$
  if mkdir -p "$2" 2>/dev/null && cp "$1" "$new" 2>/dev/null && mv -f "$new" "$2/$3" 2>/dev/null; then return 0; fi
  rm -f "$new" 2>/dev/null
  say "Left out: $2/$3 cannot be written."
}

say_next() {
  start=$program
  case :$PATH: in
    *:"$folder":*)
      first=$(command -v "$program")
      if [ "$first" != "$folder/$program" ]; then
        say "Another $program comes first on your PATH: $first"
        start=$folder/$program
      fi
      ;;
    *)
      line="export PATH=\"$folder:\$PATH\""
      case ${SHELL:-} in
        */fish) line="fish_add_path \"$folder\"" file='' ;;
        */zsh) file=$HOME/.zshrc ;;
        */bash) file=$HOME/.bashrc ;;
        *) file=$HOME/.profile ;;
      esac
      say "$folder is not on your PATH. Type this${file:+, and add it to $file so that it lasts}:"
      say "  $line"
      ;;
  esac
  say "Next, type:"
  if [ "$program" = mini-chat-client ]; then
    say "  $start 'mini-chat://…'     (the invite link that you were given)"
  else
    say "  $start     (it prints an invite link; data is kept in ./data)"
  fi
}

uninstall() {
  found=''
  for file in "$folder/$program" "$share"/man/man[1-8]/"$program".[1-8] "$share"/man/man[1-8]/"$program"-*.[1-8] \
    "$share/bash-completion/completions/$program" "$share/zsh/site-functions/_$program" \
    "$share/fish/vendor_completions.d/$program.fish"; do
    [ -f "$file" ] || [ -L "$file" ] || continue
    reason=$(rm -f "$file" 2>&1) || fail 7 "Cannot remove $file: ${reason##*: }"
    found=yes
    say "Removed $file"
  done
  [ -n "$found" ] || fail 1 "Cannot remove $program: it is not in $folder; say --dir FOLDER if it is in another"
  say "Logins, messages and the server's data were left where they are."
}

# What a run left behind that was killed, or lost its power.
remove_leftovers() {
  for old in "$folder"/.mini-chat-install.*; do
    [ -d "$old" ] && ! kill -0 "${old##*.}" 2>/dev/null && rm -rf "$old"
  done
}

stop() {
  if [ -n "${fetching:-}" ] && [ -n "${!:-}" ]; then
    kill -KILL $! 2>/dev/null # a milder signal may come before the child is the downloader, and be lost
    wait $! 2>/dev/null
  fi
  printf '%s\n' "Stopped. $outcome" >&2
  exit "$1"
}

clean_up() {
  [ -z "${temp:-}" ] || rm -rf "$temp"
  temp=''
}

has() {
  command -v "$1" >/dev/null 2>&1
}

say() {
  printf '%s\n' "$1"
}

# fail CODE WORDS
fail() {
  printf '%s\n' "$2" >&2
  exit "$1"
}

{ main "$@"; }
