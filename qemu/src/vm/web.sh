# The container "web" of the examples: a service that ends in order at SIGTERM.
trap 'echo terminated >>/log; exit 0' TERM
echo started >>/log
while :; do
    busybox sleep 1 &
    wait $!
done
