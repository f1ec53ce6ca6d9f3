# Run beside an init system that has the container "web" as a service: it starts it, supervises it, stops it. The first argument names the init system.
system=$1
# Where the service keeps its state, if not where everybody does.
case $system in procd) root="--root /var/run/runlet" ;; *) root= ;; esac
fail() { echo "$system: $*"; runlet $root list; busybox ps | busybox grep -v ' \['; exit 1; }
# Seconds of patience: emulation on a busy machine is slow.
patience=60
log=/bundles/web/rootfs/log
pid() { runlet $root state web 2>/dev/null | busybox sed -n 's/.*"pid": *\([0-9]*\).*/\1/p'; }
supervisor() { busybox ps | busybox awk '/runlet.* run .*web$/ && !/awk|sh -c|supervise-daemon/ { print $1; exit }'; }
running() { runlet $root state web 2>/dev/null | busybox grep -q '"status": *"running"'; }
await() {
    busybox seq $patience | while read -r _; do "$@" && exit 7; busybox sleep 1; done
    [ $? = 7 ]
}
# The program says so in its log once it handles SIGTERM; before that a first process of a pid namespace ignores it.
up() { running && [ "$(busybox grep -c started $log 2>/dev/null)" = "$1" ]; }
gone() { ! runlet $root state web >/dev/null 2>&1; }
[ "$(busybox cat /proc/1/comm)" = "$2" ] || fail "pid 1 is $(busybox cat /proc/1/comm)"
[ $system = procd ] && /bin/sh /vm/procd supervise &
await up 1 || fail "did not start the container"
echo "$system: started, container's pid $(pid)"

runlet $root kill web KILL || fail "kill"
await up 2 || fail "did not start the container again after it died"
echo "$system: started again after the container died"

# The supervisor itself dies without a chance to clean up.
before=$(pid)
busybox kill -9 "$(supervisor)" || fail "no supervisor to kill"
await up 3 || fail "did not start the container again after its supervisor died"
busybox kill -0 "$before" 2>/dev/null && fail "the old container, pid $before, still runs"
echo "$system: started again after runlet itself was killed"

case $system in
    busybox)
        # busybox init has no command for one service: it ends what is no longer in its table.
        busybox sed -i '/runlet run/d' /etc/inittab && busybox kill -HUP 1 ;;
    openrc) rc-service web stop ;;
    procd) /bin/sh /vm/procd stop ;;
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
