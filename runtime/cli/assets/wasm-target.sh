#!/usr/bin/env bash
# Make this machine able to build Rust guests for wasm32 with plain `cargo build --target T`.
# `pelton build` and `cargo xtask guests` run it where the target is missing; it can be run by hand too.
# usage: wasm-target.sh [target...]       default: wasm32-unknown-unknown
# 1. `rustup target add` (quick try);  2. else: Debian's rust-src of the very same rustc release,
#    std built once with -Zbuild-std and installed into the toolchain's own sysroot.
# Idempotent. env: WASM_TARGET_SKIP_RUSTUP=1 (go straight to 2), WASM_TARGET_WORK=dir (scratch)
set -euo pipefail
targets=("$@"); [ ${#targets[@]} -gt 0 ] || targets=(wasm32-unknown-unknown)
sysroot=$(rustc --print sysroot); rel=$(rustc -vV | sed -n 's/^release: //p')
have() { ls "$sysroot/lib/rustlib/$1/lib/"libstd-*.rlib >/dev/null 2>&1; }
log() { echo "wasm-target: $*" >&2; }
missing() { todo=(); local t; for t in "${targets[@]}"; do have "$t" || todo+=("$t"); done; }
missing; [ ${#todo[@]} -gt 0 ] || { log "already there: ${targets[*]}"; exit 0; }
if [ -z "${WASM_TARGET_SKIP_RUSTUP:-}" ] && command -v rustup >/dev/null; then
  if timeout 60 env RUSTUP_MAX_RETRIES=0 rustup target add "${todo[@]}" >/dev/null 2>&1; then
    missing; [ ${#todo[@]} -gt 0 ] || { log "rustup added: ${targets[*]}"; exit 0; }
  fi
  log "rustup cannot add ${todo[*]} here; using Debian's rust-src $rel"
fi
work=${WASM_TARGET_WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/wasm-target}/$rel; mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial"
# the Debian archive this machine already uses (deb822 or one-line sources), never the security one
base=$( { grep -hE '^URIs:' /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '{print $2}';
          grep -hE '^deb ' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed 's/\[[^]]*\]//' | awk '{print $2}'; } | grep -E '/debian/?$' | head -n1 || true)
[ -n "$base" ] || { log "no Debian archive among the apt sources"; exit 1; }
for s in trixie-backports forky sid; do echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $base $s main"; done > "$work/apt/sources.list"
apt=(-o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
     -o Dir::State::lists="$work/apt/lists" -o Dir::Cache="$work/apt" -o Dir::Cache::archives="$work/apt/archives" -o APT::Sandbox::User=root -o Acquire::Retries=2)
src=$sysroot/lib/rustlib/src/rust
update() { [ -e "$work/apt/updated" ] || { apt-get "${apt[@]}" update -qq >/dev/null; touch "$work/apt/updated"; }; }
fetch() { (cd "$work" && apt-get "${apt[@]}" download -qq "$1" >/dev/null); }
if [ ! -e "$src/library/std/Cargo.toml" ]; then
  update
  ver=$(apt-cache "${apt[@]}" madison rust-src | awk -F'|' '{gsub(/ /,"",$2); print $2}' | grep -F "$rel+dfsg" | head -n1 || true)
  [ -n "$ver" ] || { log "no rust-src $rel in Debian now; have: $(apt-cache "${apt[@]}" madison rust-src | awk -F'|' '{print $2}' | tr -d '\n')"; exit 1; }
  log "fetching rust-src $ver"; fetch "rust-src=$ver"
  rm -rf "$work/x"; mkdir -p "$work/x"
  dpkg-deb --fsys-tarfile "$work"/rust-src_"$rel"*.deb | tar -x -C "$work/x" "./usr/src/rustc-$rel/library"
  mkdir -p "$src"; rm -rf "$src/library.new"; cp -a "$work/x/usr/src/rustc-$rel/library" "$src/library.new"; mv "$src/library.new" "$src/library"; rm -rf "$work/x"
fi
for t in "${todo[@]}"; do
  case $t in wasm32-wasip*)   # these link a C library: Debian's wasi-libc goes where rustc looks for its own copy
    sc=$sysroot/lib/rustlib/$t/lib/self-contained
    if [ ! -e "$sc/libc.a" ]; then update; ls "$work"/wasi-libc_*.deb >/dev/null 2>&1 || fetch wasi-libc
      rm -rf "$work/w"; dpkg -x "$work"/wasi-libc_*.deb "$work/w"; d=$work/w/usr/lib/$t; [ -e "$d/libc.a" ] || d=$work/w/usr/lib/wasm32-wasi
      mkdir -p "$sc"; cp "$d"/{libc.a,crt1-command.o,crt1-reactor.o} "$sc/"; rm -rf "$work/w"; fi;; esac
  mkdir -p "$work/dummy/src"; printf '[package]\nname="wt_dummy"\nversion="0.0.0"\nedition="2021"\n[lib]\n[profile.release]\ndebug=0\n[workspace]\n' > "$work/dummy/Cargo.toml"; : > "$work/dummy/src/lib.rs"
  log "building std for $t"
  (cd "$work/dummy" && env -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET RUSTFLAGS=-Cembed-bitcode=yes RUSTC_BOOTSTRAP=1 cargo build -q --release -Zbuild-std=std,panic_abort --target "$t" --target-dir "$work/target")
  lib=$sysroot/lib/rustlib/$t/lib; mkdir -p "$lib"
  for f in "$work/target/$t/release/deps/"*.rlib; do case $f in */libwt_dummy-*) ;; *) cp "$f" "$lib/";; esac; done
  rm -rf "$work/target/$t"
done
missing; [ ${#todo[@]} -eq 0 ] || { log "failed: ${todo[*]}"; exit 1; }
log "ready (built from source): ${targets[*]}"
