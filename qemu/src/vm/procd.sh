# The part of OpenWrt's rc.common and procd that the example's init script uses, in place of them: its functions record the instance, and a loop supervises
# what they recorded. `supervise` starts the service and stays, `stop` is what `service web stop` does.
record=/run/procd
procd_open_instance() { busybox mkdir -p $record; }
# A word a line, because procd runs the command's words as they are, without a shell.
procd_set_param() {
    name=$1
    shift
    for word; do echo "$word"; done >"$record/$name"
}
procd_close_instance() { :; }
param() { busybox sed -n "$2p" "$record/$1"; }
. /etc/procd/web
case $1 in
    supervise)
        start_service
        set --
        while IFS= read -r word; do set -- "$@" "$word"; done <$record/command
        while :; do
            "$@" &
            echo $! >$record/pid
            wait $!
            [ -e $record/halt ] && exit 0
            busybox sleep "$(param respawn 2)"
        done
        ;;
    stop)
        # procd does not wait either: it sends the signal, remembers to send another one, and the script goes on.
        >$record/halt
        child=$(busybox cat $record/pid)
        busybox kill -TERM "$child"
        (busybox sleep "$(param term_timeout 1)"; busybox kill -KILL "$child" 2>/dev/null) &
        service_stopped
        ;;
esac
