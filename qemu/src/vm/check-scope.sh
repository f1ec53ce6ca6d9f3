# With --systemd-cgroup a container is a transient scope of the system's systemd: in the slice that was asked for, with its limits, and gone afterwards.
fail() { echo "scope: $*"; systemctl status --no-pager runlet-scope.scope; exit 1; }
runlet --systemd-cgroup run -d --bundle /bundles/scope scope || fail "run"
pid=$(runlet state scope | busybox sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
cgroup=$(busybox cat "/proc/$pid/cgroup")
[ "$cgroup" = "0::/runlet.slice/runlet-scope.scope" ] || fail "its cgroup is $cgroup"
[ "$(systemctl show -p ActiveState --value runlet-scope.scope)" = active ] || fail "not active"
[ "$(systemctl show -p MemoryMax --value runlet-scope.scope)" = 67108864 ] || fail "systemd does not know the limit"
[ "$(busybox cat /sys/fs/cgroup/runlet.slice/runlet-scope.scope/memory.max)" = 67108864 ] || fail "the kernel does not have the limit"
echo "scope: $cgroup with its limit, known to systemd"
# The caller's clean-up passes no --systemd-cgroup: the record remembers.
runlet delete --force scope || fail "delete"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -e /sys/fs/cgroup/runlet.slice/runlet-scope.scope ] || break
    busybox sleep 1
done
[ ! -e /sys/fs/cgroup/runlet.slice/runlet-scope.scope ] || fail "the cgroup is still there"
[ "$(systemctl show -p ActiveState --value runlet-scope.scope)" = inactive ] || fail "systemd still has it"
echo "scope: gone with the container"
