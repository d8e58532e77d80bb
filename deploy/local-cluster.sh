# What deploy/up and deploy/down both know about the local cluster. Sourced by them, from the root.
data=target/local-cluster

# Answers 0 while process $1 runs nexusd. A pid may have been given to another program since; a process that
# ended and that nobody has waited for yet (a zombie: pid 1 of some containers waits late, or never) runs nothing.
runs_nexusd() {
  [ -n "$1" ] && kill -0 "$1" 2>/dev/null || return 1
  local state # "PID (NAME) STATE ..." on Linux, "STATE NAME" elsewhere
  if [ -r "/proc/$1/stat" ]; then read -r state <"/proc/$1/stat" || return 1; else state=$(ps -o state=,comm= -p "$1"); fi
  case "$state" in
    Z* | *') Z '* | *') X '*) return 1 ;;
    *nexusd*) return 0 ;;
    *) return 1 ;;
  esac
}
