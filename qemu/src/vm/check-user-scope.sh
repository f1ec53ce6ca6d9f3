# An ordinary user's container with --systemd-cgroup is a transient scope of his own systemd: with its limits, which have their effect, and gone
# afterwards. Started twice: from a process that is not below that systemd, which may not move anything there by itself, and from one that is.
if [ $# = 0 ]; then
    systemctl start user@1000.service || { systemctl status --no-pager user@1000.service; exit 1; }
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e /run/user/1000/bus ] && break; busybox sleep 1; done
    busybox chown 1000:1000 /home/user
    as_user() { busybox su user -c "export XDG_RUNTIME_DIR=/run/user/1000; cd /home/user; $*"; }
    as_user /bin/sh /vm/check-user-scope outside || exit 1
    as_user systemd-run --user --scope --quiet /bin/sh /vm/check-user-scope inside
    exit
fi
way=$1
fail() { echo "user scope, $way: $*"; busybox cat /proc/self/cgroup; exit 1; }
# A bundle with these limits and this program.
bundle() {
    busybox mkdir -p b && busybox rm -f b/config.json && runlet spec --rootless --output b/config.json || fail spec
    busybox sed -i -e 's#"path": "rootfs"#"path": "/bundles/web/rootfs"#' -e 's/"terminal": true/"terminal": false/' \
        -e 's/^\t*"sh"$/'"$2"'/' -e 's/"linux": {/"linux": { "resources": '"$1"',/' b/config.json
}
slice=/user.slice/user-1000.slice/user@1000.service/user.slice
limits='{ "memory": { "limit": 33554432 }, "pids": { "limit": 10 } }'
bundle "$limits" '"busybox", "sleep", "1000"'
runlet --systemd-cgroup run -d --bundle b "$way" || fail "run"
pid=$(runlet state "$way" | busybox sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
cgroup=$(busybox cat "/proc/$pid/cgroup")
[ "$cgroup" = "0::$slice/runlet-$way.scope" ] || fail "its cgroup is $cgroup"
scope="/sys/fs/cgroup$slice/runlet-$way.scope"
value() { busybox cat "$scope/$1"; }
known() { systemctl --user show -p "$1" --value "runlet-$way.scope"; }
[ "$(value memory.max) $(value pids.max)" = "33554432 10" ] || fail "the kernel has memory.max $(value memory.max), pids.max $(value pids.max)"
[ "$(known MemoryMax) $(known TasksMax)" = "33554432 10" ] || fail "systemd has MemoryMax $(known MemoryMax), TasksMax $(known TasksMax)"
echo "user scope, $way: $cgroup, memory.max $(value memory.max), pids.max $(value pids.max), known to systemd"
[ "$(runlet exec "$way" busybox cat /proc/self/cgroup)" = "0::/" ] || fail "exec went elsewhere"
runlet update --pids-limit 12 "$way" || fail "update"
[ "$(value pids.max) $(known TasksMax)" = "12 12" ] || fail "after the update: pids.max $(value pids.max), TasksMax $(known TasksMax)"
runlet delete --force "$way" || fail "delete"
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e "$scope" ] || break; busybox sleep 1; done
[ ! -e "$scope" ] || fail "the cgroup is still there"
[ "$(known ActiveState)" = inactive ] || fail "systemd still has it"
bundle "$limits" '"sh", "-c", "for i in 0 1 2 3 4 5 6 7 8 9; do busybox sleep 100 \& done"'
said=$(runlet --systemd-cgroup run --bundle b "$way" 2>&1) && fail "ten processes more than itself run under pids.limit 10"
case $said in *"can't fork"*) echo "user scope, $way: $said" ;; *) fail "pids.limit: $said" ;; esac
bundle "$limits" '"busybox", "tail", "\/dev\/zero"'
runlet --systemd-cgroup run --exit-file exit --bundle b "$way"
busybox grep -q '"code":137,"signal":9,"oomKills":[1-9]' exit || fail "memory.limit: $(busybox cat exit)"
echo "user scope, $way: $(busybox cat exit)"
[ ! -e "$scope" ] || fail "the cgroup is still there after the end"
