# Run in the container as its first process. The exit status says what is not as it should be; nothing is printed unless something is wrong,
# because standard output may be closed.
fail() { status=$1; shift; echo "proof: $*" 2>/dev/null; exit "$status"; }
[ $$ = 1 ] || fail 11 "pid is $$"
[ "$(busybox hostname)" = proof ] || fail 12 "hostname is $(busybox hostname)"
[ ! -e /vm ] && [ ! -e /bundles ] || fail 13 "the host's tree is here: $(busybox ls /)"
[ -c /dev/null ] && [ -c /dev/urandom ] && [ -c /dev/pts/ptmx ] || fail 14 "/dev: $(busybox ls /dev)"
busybox touch /write 2>/dev/null && fail 15 "the root is writable"
case $(busybox readlink /proc/self) in '' | 0) fail 16 "no /proc" ;; esac
# Every mount is the bundle's own: none lies outside what config.json names.
while read -r _ _ _ _ target _; do
    case $target in
        / | /proc | /proc/* | /dev | /dev/* | /sys | /sys/*) ;;
        *) fail 17 "mount of the host: $target" ;;
    esac
done </proc/self/mountinfo
busybox grep -q '^CapEff:.*20000420$' /proc/self/status || fail 18 "$(busybox grep Cap /proc/self/status)"
busybox grep -q '^NoNewPrivs:.*1$' /proc/self/status || fail 19 "no_new_privs is not set"
exit 0
