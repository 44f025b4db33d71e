#!/usr/bin/env bash
# Everything to a verdict; the last line is `N passed, N failed`. Needs bash and apt-get.
# shellcheck disable=SC2317,SC2329  # the legs are called by name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'TEXT'
usage: ./test.sh [fast|nightly]

  fast      style and unit tests (ASan, UBSan)
            without a word: also TSan, the simulation, the release build, the fake engine, real
            engines, clients and Docker (as root)
  nightly   long variants too (NOVA_LONG=1; 100,000 seeds of the simulation), and each fuzz target
            for NOVA_FUZZ_SECONDS (300)

Results lie in build/results, one log and JUnit file for each leg.
TEXT
}

readonly results=$PWD/build/results
cache=${XDG_CACHE_HOME:-${HOME:?is not set; set HOME or XDG_CACHE_HOME}/.cache}/nova
out='' # the folder of the leg that runs
legs=() # name, minutes, passed, failed: one line each
passed_all=0
failed_all=0

say() { printf '\n==> %s\n' "$*"; }

# leg NAME FUNCTION: runs it in a shell of its own, counts the JUnit files it leaves, goes on after
# a failure. A leg that fails without a failed test counts as one.
leg() {
    local name=$1 function=$2 began=$SECONDS code=0 counts=() passed=0 failed=0
    local folder=$results/$name log=$results/$name.log
    mkdir -p "$folder"
    out=$folder
    say "$name"
    # Not as a condition: that would switch off `set -e` inside the leg.
    set +e
    (
        set -euo pipefail
        "$function"
    ) 2>&1 | tee "$log" | sed 's/^/    /'
    code=${PIPESTATUS[0]}
    set -e
    mapfile -t counts < <(find "$folder" -name '*.xml' | sort)
    if ((${#counts[@]} > 0)); then
        read -r passed failed < <(python3 tools/sum_tests.py "${counts[@]}")
    fi
    local line
    while read -r line; do # what the runners without JUnit said of themselves
        ((passed += ${line% *}, failed += ${line#* })) || true
    done < <(cat "$folder"/counts 2>/dev/null)
    if ((code != 0 && failed == 0)); then
        failed=1
    fi
    ((passed_all += passed, failed_all += failed)) || true
    legs+=("$(printf '%-10s %6s min %6d passed %4d failed' "$name" \
        "$(awk -v s=$((SECONDS - began)) 'BEGIN {printf "%.1f", s / 60}')" "$passed" "$failed")")
    printf '    %s\n' "${legs[-1]}"
}

build_jobs() {
    local processors memory
    processors=$(nproc)
    memory=$(awk '/^MemAvailable:/ {print int($2 / 1500000)}' /proc/meminfo)
    printf '%d' "$((memory < 1 ? 1 : memory < processors ? memory : processors))"
}

build() { # build PRESET [TARGET...]
    local preset=$1 target
    shift
    if [[ ! -f build/$preset/build.ninja ]]; then
        cmake --preset "$preset" >"$out/configure.log" 2>&1 || {
            tail -n 30 "$out/configure.log"
            return 1
        }
    fi
    local command=(cmake --build "build/$preset" -j "$(build_jobs)")
    for target in "$@"; do
        command+=(--target "$target")
    done
    "${command[@]}" >"$out/build-$preset.log" 2>&1 || {
        grep -E -A12 '(error|FAILED|undefined)' "$out/build-$preset.log" | head -n 80
        return 1
    }
    tail -n 1 "$out/build-$preset.log"
}

# Prints the interpreter of a virtual environment of its own for a requirements file, made once.
python_of() {
    local file=$1 name=$2 digest venv fresh
    digest=$(sha256sum "$file" | cut -c1-12)
    venv=$cache/$name-venv-$digest
    if [[ ! -x $venv/bin/python ]]; then
        mkdir -p "$cache"
        exec 8>"$cache/.$name-venv.lock"
        flock 8
        if [[ ! -e $venv ]]; then
            printf 'installing the Python packages of %s\n' "$file" >&2
            # The name is a link made at the end: a virtual environment cannot be moved.
            fresh=$(mktemp -d "$cache/.$name-venv-XXXXXX")
            # Asked outright: a command substitution knows no `set -e`, and half an environment
            # under the final name would stay for ever.
            if ! { python3 -m venv "$fresh" && "$fresh/bin/python" -m pip install --quiet \
                --disable-pip-version-check -r "$file" >&2; }; then
                rm -rf "$fresh"
                return 1
            fi
            ln -sT "$fresh" "$venv"
        fi
        exec 8>&-
    fi
    printf '%s\n' "$venv/bin/python"
}

python() {
    local own
    own=$(python_of tests/requirements.txt test) || return 1
    "$own" "$@"
}

style() {
    local script scripts=(setup.sh test.sh .ci/run tools/*.sh tests/docker/*.sh) good=0 bad=0 counts
    tools/tidy.py 2>&1 | tee "$out/tidy.log" || true
    counts=$(sed -n 's/^tidy: \(.*\) passed, \(.*\) failed,.*/\1 \2/p' "$out/tidy.log")
    printf '%s\n' "${counts:-0 1}" >"$out/counts"
    for script in "${scripts[@]}"; do
        if shellcheck "$script"; then ((good += 1)); else ((bad += 1)); fi
    done
    printf '%d %d\n' "$good" "$bad" >>"$out/counts"
    python -m pytest -q -c tests/pytest.ini --rootdir . --junitxml "$out/tools.xml" \
        tools/tidy_test.py tools/traps_test.py tools/sum_tests_test.py tests/scripts
}

# module_tests PRESET MODULE FILTER SHARE: one process for half of a module's tests. One for each
# test took longer than the tests.
module_tests() {
    local preset=$1 module=$2 filter=$3 share=$4 log=$out/$2-$4.log
    if (
        cd "build/$preset/src/$module"
        GTEST_SHARD_INDEX=$share GTEST_TOTAL_SHARDS=2 timeout 600 "./${module}_tests" \
            --gtest_brief=1 --gtest_filter="$filter" --gtest_output="xml:$out/$module-$share.xml"
    ) >"$log" 2>&1; then
        printf '%s: %s\n' "$module" "$(tail -n 1 "$log")"
    else
        tail -n 200 "$log"
        printf '%s: failed\n' "$module"
        return 1
    fi
}

# modules_tests PRESET FILTER MODULE...: as many processes at a time as there are processors.
modules_tests() {
    local preset=$1 filter=$2 module
    shift 2
    export -f module_tests
    export out
    for module in "$@"; do
        printf '%s\n' "$preset $module $filter 0" "$preset $module $filter 1"
    done | xargs -P "$(nproc)" -L 1 bash -c 'module_tests "$@"' _
}

unit() {
    local model modules code=0
    build dev
    model=$(tools/engines.sh model --print-dir | tail -n 1)
    NOVA_TEST_GGUF=$(find "$model" -name '*.gguf' | head -n 1)
    export NOVA_TEST_GGUF
    mapfile -t modules < <(basename -a -s _tests build/dev/src/*/*_tests)
    modules_tests dev '*' "${modules[@]}" || code=1
    # The corpora of the fuzz targets.
    ctest --test-dir build/dev -j "$(nproc)" -R ReplaysItsCorpus --output-on-failure \
        --no-tests=error --output-junit "$out/ctest.xml" --timeout 300 >"$out/ctest.log" 2>&1 || {
        tail -n 200 "$out/ctest.log"
        code=1
    }
    return "$code"
}

fake_engine() {
    build dev fake_engine
    FAKE_ENGINE=$PWD/build/dev/bin/fake_engine python -m pytest -q -c tests/pytest.ini \
        --rootdir tests --junitxml "$out/fake_engine.xml" tests/fake_engine
}

# The four modules where threads meet. The explorer of the lifecycle is left out: it is one thread
# with pure functions, and takes longer than all else.
tsan() {
    local module modules=(lifecycle gateway net core) targets=()
    for module in "${modules[@]}"; do
        targets+=("${module}_tests")
    done
    build tsan "${targets[@]}"
    modules_tests tsan '-*Explore*' "${modules[@]}"
}

# Hostile worlds in virtual time; each call failing in turn; the mistakes planted on purpose.
sim() {
    local run code=0 count=2000 seconds=60 runs
    local program=build/release/tests/sim/nova-sim
    if [[ -n ${NOVA_LONG:-} ]]; then
        count=100000 seconds=5400
    fi
    build release nova-sim # without sanitizers: as many seeds as possible
    runs=("--count $count --seconds $seconds --minimise" --fail-effects '--bugs --count 2000')
    for run in "${runs[@]}"; do
        # shellcheck disable=SC2086  # several words
        if "$program" $run; then
            printf '1 0\n' >>"$out/counts"
        else
            printf '0 1\n' >>"$out/counts"
            code=1
        fi
    done
    return "$code"
}

release() {
    build release
    [[ -x build/release/nova ]]
    # They need a build without sanitizers; they print what a relayed piece allocates.
    local module
    for module in net gateway; do
        "build/release/src/$module/${module}_allocation_test"
        printf '1 0\n' >>"$out/counts"
    done
}

engines() {
    tools/engines.sh model llamacpp node ollama
    printf '4 0\n' >"$out/counts"
}

clients() {
    local frameworks
    frameworks=$(python_of tests/requirements-frameworks.txt frameworks)
    NOVA_FRAMEWORKS_PYTHON=$frameworks \
        NOVA_BIN=$PWD/build/release/nova FAKE_ENGINE=$PWD/build/release/bin/fake_engine \
        python -m pytest -q -rA -c tests/pytest.ini --rootdir tests --junitxml "$out/clients.xml" \
        tests/clients tests/contract | grep -vE '^(PASSED|=+ (PASSES|warnings))'
}

# Engines in containers: a Docker daemon, a registry and a Podman of the tests' own.
containers() {
    local interpreter
    interpreter=$(python_of tests/requirements.txt test)
    build dev docker_driver_tests
    NOVA_BIN=$PWD/build/release/nova FAKE_ENGINE=$PWD/build/release/bin/fake_engine \
        tests/docker/isolated.sh "$interpreter" -m pytest -q -rA -c tests/pytest.ini \
        --rootdir tests --junitxml "$out/docker.xml" tests/docker |
        grep -vE '^(PASSED|=+ (PASSES|warnings))'
}

fuzz() {
    local target name code=0
    build fuzz
    while read -r target; do
        name=$(basename "$target")
        mkdir -p "$out/$name"
        if "$target" -max_total_time="${NOVA_FUZZ_SECONDS:-300}" -print_final_stats=1 \
            -artifact_prefix="$out/$name/" "$out/$name" "fuzz/corpus/${name%_fuzz}" \
            >"$out/$name.log" 2>&1; then
            printf '1 0\n' >>"$out/counts"
        else
            printf '0 1\n' >>"$out/counts"
            tail -n 40 "$out/$name.log"
            code=1
        fi
    done < <(find build/fuzz/src -name '*_fuzz' -type f -executable | sort)
    [[ -s $out/counts ]] && return "$code"
}

# Prints every ratio; the limits are what was reached (bench/README.md), with room for noise.
bench() {
    local tools
    tools=$(tools/bench_tools.sh)
    eval "$tools"
    python3 bench/overhead.py --runs "${NOVA_BENCH_RUNS:-7}" --at-most 1.35 --full-at-most 1.25 \
        2>/dev/null
    python3 bench/instructions.py --nginx --unary-at-most 29500 --chunk-at-most 4600 2>/dev/null
    printf '2 0\n' >"$out/counts"
}

main() {
    local mode=${1:-default}
    case $mode in
        default | fast | nightly) ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    rm -rf "$results"
    mkdir -p "$results"
    if [[ $mode == nightly ]]; then
        export NOVA_LONG=1
    fi
    say packages
    if [[ $mode == nightly ]]; then
        tools/packages.sh build test bench
    else
        tools/packages.sh build test
    fi
    leg style style
    leg unit unit
    if [[ $mode != fast ]]; then
        leg fake fake_engine
        leg tsan tsan
        leg release release
        leg sim sim
        leg engines engines
        leg clients clients
        leg docker containers
    fi
    if [[ $mode == nightly ]]; then
        leg fuzz fuzz
        leg bench bench
    fi
    say "$mode: $(awk -v s=$SECONDS 'BEGIN {printf "%.1f", s / 60}') min"
    printf '    %s\n' "${legs[@]}"
    printf '\n%d passed, %d failed\n' "$passed_all" "$failed_all"
    ((failed_all == 0 && passed_all > 0))
}

main "$@"
exit 0
