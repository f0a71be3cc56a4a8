# Shared by the scripts of this folder (bash, sourced): where things are, one line a step, quiet logs, recoverable installs.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
logs=$root/build/logs
cache=${GPUPLACE_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or GPUPLACE_CACHE}/.cache}/gpuplace}
# The distribution's Python: install_dependencies makes sure that it has venv and pip, a user's own need not.
python=${GPUPLACE_PYTHON:-$([[ -x /usr/bin/python3 ]] && echo /usr/bin/python3 || echo python3)}
torch_version=2.11.0
cuda_version=13.0
model_name=SmolLM2-135M-Instruct

say() { printf '%s\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Prints the comment block at the top of the calling script.
print_help() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; }

wrong_usage() {
  printf '%s: unknown argument "%s"; --help says what there is\n' "$(basename "$0")" "$1" >&2
  exit 2
}

only_help_allowed() {
  for argument in "$@"; do
    case $argument in
      -h | --help) print_help && exit 0 ;;
      *) wrong_usage "$argument" ;;
    esac
  done
}

# step NAME TEXT COMMAND…: runs the command into build/logs/NAME.log, prints one line, and the log's tail on failure.
step() {
  local log=$logs/$1.log text=$2 start=$SECONDS status=0
  shift 2
  mkdir -p "$logs"
  printf '%s ... ' "$text"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if ((status != 0)); then
    say "failed"
    tail -n 40 "$log" >&2
    die "$text failed (exit $status); the whole log is $log"
  fi
  say "done ($((SECONDS - start)) s)"
}

# Holds the cache for this process: two clones that install at once wait for each other.
lock_cache() {
  mkdir -p "$cache" || die "cannot write to $cache; set GPUPLACE_CACHE to a folder that you own"
  exec {cache_lock}>"$cache/lock"
  flock -n "$cache_lock" && return
  say "waiting for another gpuplace install in $cache ..."
  flock "$cache_lock"
}

# ensure_venv FOLDER TEXT PIP_ARGUMENT…: a virtual environment with these packages. The stamp names the packages and is
# written last, so that an interrupted or outdated install is made anew.
ensure_venv() {
  local folder=$1 text=$2
  shift 2
  local stamp=$folder/.gpuplace-complete
  [[ -f $stamp && $(<"$stamp") == "$*" ]] && return
  lock_cache
  if ! [[ -f $stamp && $(<"$stamp") == "$*" ]]; then
    rm -rf "$folder"
    step "$(basename "$folder")" "$text" install_venv "$folder" "$@"
    printf '%s' "$*" >"$stamp"
  fi
  exec {cache_lock}>&-
}

install_venv() {
  local folder=$1
  shift
  "$python" -m venv "$folder" && "$folder/bin/python" -m pip install --no-cache-dir --no-compile --progress-bar off "$@"
}

# As many compilers at once as there are cores, but one for each 2 GiB of memory: ATen's headers are large.
compile_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 2097152)}' /proc/meminfo)
  ((memory < 1)) && memory=1
  printf '%d' "$((memory < cores ? memory : cores))"
}

# configure PRESET [CMAKE_ARGUMENT…]
configure() { step "configure-$1" "configuring ($1)" cmake -S "$root" --preset "$@"; }

# build PRESET [TARGET…]: in the preset's folder under build/; everything where no target is named.
build() {
  local preset=$1 what=${*:2}
  shift
  step "build-$preset" "building ${what:-everything} ($preset)" cmake --build "$(build_folder "$preset")" -j "$(compile_jobs)" ${what:+--target "$@"}
}

build_folder() { [[ $1 == release ]] && printf '%s' "$root/build" || printf '%s' "$root/build/$1"; }
