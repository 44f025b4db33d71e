#!/usr/bin/env bash
# From a fresh clone to a streamed answer: packages, nova, an engine, a model, then `nova up`.
# Run it again whenever you like; what is done already is left alone. Needs bash and apt-get.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'TEXT'
usage: ./setup.sh [--mode hybrid|local-only|cloud-only] [--runtime docker|native]
                  [--derive-mode-only | --choose-runtime-only]

Installs missing Debian packages, builds build/release/nova, installs llama.cpp and a small model
below ~/.cache/nova (about 10 minutes the first time on two cores), asks once for the mode, writes
it to .env, and starts nova, which answers a first prompt and prints its addresses.

  --mode MODE          do not ask; also NOVA_INFERENCE_MODE=MODE
  --runtime docker     engines run in containers; the default where Docker answers, and left for
                       native when no engine starts there
  --runtime native     engines run as programs of this machine; also NOVA_SETUP_RUNTIME=native
  --derive-mode-only   write .env and stop
  --choose-runtime-only   say where engines would run, and why, and stop

hybrid       local models, clouds where configured when the local one cannot answer (default)
local-only   local models, no request ever leaves this machine
cloud-only   no local model or engine is fetched or started
TEXT
}

say() { printf '\n==> %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit "${2:-1}"
}

# The value of a key of .env, empty when there is none.
env_value() {
    local line value=''
    if [[ -f .env ]]; then
        while IFS= read -r line || [[ -n $line ]]; do
            if [[ $line == "$1="* ]]; then
                value=${line#*=}
            fi
        done <.env
    fi
    value=${value%$'\r'}
    value=${value#\"}
    printf '%s' "${value%\"}"
}

is_mode() { [[ $1 == hybrid || $1 == local-only || $1 == cloud-only ]]; }

# Sets `mode`: from the command line, the environment, .env, a question, in that order.
choose_mode() {
    local given=${mode:-${NOVA_INFERENCE_MODE:-$(env_value NOVA_INFERENCE_MODE)}} answer
    if [[ -n $given ]]; then
        is_mode "$given" || {
            printf 'setup: mode "%s" is not known; use hybrid, local-only or cloud-only.\n' \
                "$given" >&2
            exit 2
        }
        mode=$given
    elif [[ -t 0 && -t 1 ]]; then
        printf '%s\n' '' 'Where may models run?' \
            '  1  hybrid      local models, clouds as a fallback where you configure them' \
            '  2  local-only  nothing ever leaves this machine' \
            '  3  cloud-only  clouds only: no local model is fetched'
        read -r -p 'Mode [1]: ' answer
        case ${answer:-1} in
            1 | hybrid) mode=hybrid ;;
            2 | local-only) mode=local-only ;;
            3 | cloud-only) mode=cloud-only ;;
            *)
                printf 'setup: "%s" is none of 1, 2, 3.\n' "$answer" >&2
                exit 2
                ;;
        esac
    else
        mode=hybrid
    fi
}

# The profiles of .env: tokens of others stay, of ours there is one engine's or none. Which one is
# what stood there before, else the bundled Ollama.
derived_profiles() {
    local token kept=() own=''
    while IFS= read -r -d, token; do
        case $token in
            local-ollama | local-vllm | local-sglang | local-llamacpp) own=${own:-$token} ;;
            '') ;;
            *) kept+=("$token") ;;
        esac
    done <<<"$(env_value COMPOSE_PROFILES),"
    if [[ $mode != cloud-only ]]; then
        kept+=("${own:-local-ollama}")
    fi
    local IFS=,
    printf '%s' "${kept[*]-}"
}

# write_env KEY VALUE... replaces these keys and keeps every other line; all at once or not at all.
write_env() {
    local fresh line key keys=() i
    for ((i = 1; i <= $#; i += 2)); do
        keys+=("${!i}")
    done
    umask 077
    fresh=$(mktemp .env.XXXXXX)
    if [[ -f .env ]]; then
        while IFS= read -r line || [[ -n $line ]]; do
            key=${line%%=*}
            if [[ $line != *=* || " ${keys[*]} " != *" $key "* ]]; then
                printf '%s\n' "$line"
            fi
        done <.env >"$fresh"
    fi
    while (($# > 0)); do
        if [[ $2 == *$'\n'* ]]; then
            rm -f "$fresh"
            fail "the value of $1 holds a newline; .env cannot keep that."
        fi
        printf '%s=%s\n' "$1" "$2" >>"$fresh"
        shift 2
    done
    chmod 600 "$fresh"
    if [[ -f .env ]] && cmp -s "$fresh" .env; then
        rm -f "$fresh"
        chmod 600 .env
    else
        mv -f "$fresh" .env
    fi
}

derive_mode() {
    local strategy=local-first
    if [[ $mode != hybrid ]]; then
        strategy=$mode
    fi
    write_env NOVA_INFERENCE_MODE "$mode" COMPOSE_PROFILES "$(derived_profiles)" \
        LLM_ROUTING_STRATEGY "$strategy"
    say "mode $mode (in .env; change it any time with: ./setup.sh --mode MODE)"
}

# As many compilers at once as there is memory for: link-time optimisation takes about 1.5 GB each.
build_jobs() {
    local processors memory
    processors=$(nproc)
    memory=$(awk '/^MemAvailable:/ {print int($2 / 1500000)}' /proc/meminfo)
    if ((memory < 1)); then
        memory=1
    fi
    printf '%d' "$((memory < processors ? memory : processors))"
}

build_nova() {
    if [[ ! -f build/release/build.ninja ]]; then
        cmake --preset release
    fi
    cmake --build build/release --target nova -j "$(build_jobs)"
    [[ -x build/release/nova ]] || fail 'the build made no build/release/nova.'
}

# Sets `runtime` (docker or native) and `reason`: what was asked for, else what answers.
choose_runtime() {
    local said
    if [[ -n ${runtime:-} ]]; then
        [[ $runtime == docker || $runtime == native ]] ||
            fail "runtime \"$runtime\" is not known; use docker or native." 2
        reason='you said so'
        return
    fi
    runtime=native
    if ! command -v docker >/dev/null; then
        reason='Docker is not installed'
    elif said=$(timeout 10 docker version --format '{{.Server.Version}}' 2>&1); then
        runtime=docker
        reason="Docker $said answers"
    elif [[ $said == *'ermission denied'* ]]; then
        reason="this user may not use Docker's socket (sudo usermod -aG docker $USER)"
    else
        reason="Docker is installed, but its daemon does not answer"
    fi
}

say_runtime() {
    if [[ $runtime == docker ]]; then
        say "engines run in containers: $reason (otherwise: ./setup.sh --runtime native)"
    else
        say "engines run as native programs: $reason"
    fi
}

start_nova() {
    local path=$PATH model=() kind=docker
    if [[ $mode != cloud-only ]]; then
        local engine weights
        if [[ $runtime == native ]]; then
            kind=process
            engine=$(tools/engines.sh llamacpp --print-dir)
            path=$path:$engine # an engine you installed yourself comes first
        fi
        weights=$(tools/engines.sh model --print-dir)/SmolLM2-135M-Instruct.Q4_1.gguf
        if [[ -z $(env_value DEFAULT_CHAT_MODEL) ]]; then
            model=(DEFAULT_CHAT_MODEL="$weights")
        fi
    fi
    say 'starting nova'
    env PATH="$path" NOVA_INFERENCE_MODE="$mode" NOVA_RUNTIME="$kind" "${model[@]}" \
        build/release/nova up
}

# Did nova run here before? Then what it is to run was somebody's wish, not this script's. A first
# setup that was broken off leaves its mark until one has an answer.
has_run_before() {
    [[ -e ${NOVA_DATA_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/nova}/nova.db && ! -e $unfinished ]]
}

# Docker answers, but it may be cut off from the registry: then a native engine serves as well.
start_nova_with_fallback() {
    local code before=no unfinished=${XDG_CACHE_HOME:-$HOME/.cache}/nova/setup-unfinished
    if has_run_before; then
        before=yes
    else
        mkdir -p "${unfinished%/*}"
        : >"$unfinished"
    fi
    # Not as a condition: that would switch off `set -e` inside.
    set +e
    (
        set -e
        start_nova
    )
    code=$?
    set -e
    if ((code == 0)); then
        rm -f "$unfinished"
        return
    fi
    if [[ $runtime != docker || $mode == cloud-only || $asked == yes || $before == yes ]]; then
        if [[ $runtime == docker && $asked == no ]]; then
            say 'to run engines as native programs: nova down, then ./setup.sh --runtime native'
        fi
        return "$code"
    fi
    # nova goes on wanting it in Docker until it is told otherwise.
    build/release/nova stop || true
    build/release/nova down
    runtime=native
    reason='no engine started in Docker (what it said stands above)'
    say_runtime
    tools/engines.sh llamacpp
    start_nova
    rm -f "$unfinished"
}

main() {
    local mode='' only=no began=$SECONDS runtime=${NOVA_SETUP_RUNTIME:-} reason=''
    local asked=no # for the runtime, by name
    while (($# > 0)); do
        case $1 in
            --mode)
                mode=${2-}
                shift
                [[ -n $mode ]] || fail '--mode needs a value; see ./setup.sh --help.' 2
                ;;
            --mode=*) mode=${1#*=} ;;
            --runtime)
                runtime=${2-}
                shift
                [[ -n $runtime ]] || fail '--runtime needs a value; see ./setup.sh --help.' 2
                ;;
            --runtime=*) runtime=${1#*=} ;;
            --derive-mode-only) only=mode ;;
            --choose-runtime-only) only=runtime ;;
            -h | --help)
                usage
                exit 0
                ;;
            *)
                usage >&2
                exit 2
                ;;
        esac
        shift
    done
    if [[ -n $runtime ]]; then
        asked=yes
    fi
    choose_runtime
    if [[ $only == runtime ]]; then
        say_runtime
        return
    fi
    # Asked first, so that nobody has to wait for the build to answer a question.
    choose_mode
    if [[ $only == mode ]]; then
        derive_mode
        return
    fi
    say 'packages'
    tools/packages.sh build
    say 'building nova (about 5 minutes the first time)'
    build_nova
    derive_mode
    if [[ $mode != cloud-only ]]; then
        say_runtime
        if [[ $runtime == native ]]; then
            say 'engine and model (5 to 10 minutes the first time)'
            tools/engines.sh llamacpp model
        else
            tools/engines.sh model
        fi
    fi
    start_nova_with_fallback
    say "done in $((SECONDS - began)) s. Later: build/release/nova up, nova down, nova --help"
}

main "$@"
exit 0
