# Run beside an init system that has the container "web" as a service: it starts it, supervises it, stops it. The first argument names the init system.
system=$1
fail() { echo "$system: $*"; runlet list; ps; exit 1; }
# Seconds of patience: emulation on a busy machine is slow.
patience=60
pid() { runlet state web 2>/dev/null | busybox sed -n 's/.*"pid": *\([0-9]*\).*/\1/p'; }
running() { runlet state web 2>/dev/null | busybox grep -q '"status": *"running"'; }
await() {
    busybox seq $patience | while read -r _; do "$@" && exit 7; busybox sleep 1; done
    [ $? = 7 ]
}
another() { running && [ "$(pid)" != "$before" ]; }
gone() { ! runlet state web >/dev/null 2>&1; }
log=/bundles/web/rootfs/log

[ "$(busybox cat /proc/1/comm)" = "$2" ] || fail "pid 1 is $(busybox cat /proc/1/comm)"
await running || fail "did not start the container"
echo "$system: started, container's pid $(pid)"

before=$(pid)
runlet kill web KILL || fail "kill"
await another || fail "did not start the container again after it died"
echo "$system: started again after the container died"

# The supervisor itself dies without a chance to clean up.
before=$(pid)
busybox kill -9 "$(busybox pgrep -f 'runlet run .*web$' | busybox head -n 1)"
await another || fail "did not start the container again after its supervisor died"
busybox kill -0 "$before" 2>/dev/null && fail "the old container, pid $before, still runs"
echo "$system: started again after runlet itself was killed"

case $system in
    busybox)
        # busybox init has no command for one service: its line goes, and the container is ended.
        busybox sed -i '/runlet run/d' /etc/inittab && busybox kill -HUP 1 && runlet kill web TERM ;;
    runit) sv -w 30 down web ;;
    s6)
        s6-svwait -t 30000 -U /service/web || fail "was never told that the container is ready"
        echo "$system: knows that it is ready"
        s6-svc -wD -T 30000 -d /service/web ;;
esac || fail "stop"
await gone || fail "did not stop the container"
[ "$(busybox tail -n 1 $log)" = terminated ] || fail "the container was not ended in order: $(busybox cat $log)"
echo "$system: stopped in order"
busybox sleep 3
gone || fail "started it again after it was told to stop"
