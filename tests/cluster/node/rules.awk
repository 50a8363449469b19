# From a dump of iptables-save, for iptables-restore --noflush: what removes the cluster's rules and
# chains, and no others. Those are kube-proxy's and the kubelet's (KUBE-…), and what the network of
# bridge.conflist made for pods (10.244.0.0/24), whose name is in its rules' comments.
/^\*/ { print; next }
/^:KUBE-/ { chains[substr($1, 2)] }
/^-A CNI-FORWARD .*10\.244\.0\./ { sub("-A", "-D"); print; next }
/^-A / && $2 !~ /^(KUBE|CNI)-/ && / -j KUBE-/ { sub("-A", "-D"); print; next }
/^-A POSTROUTING .*name: \\"bridge\\" id: / && match($0, / -j CNI-[0-9a-f]+/) {
  chains[substr($0, RSTART + 4, RLENGTH - 4)]
  sub("-A", "-D")
  print
}
/^COMMIT/ {
  for (chain in chains) print "-F " chain
  for (chain in chains) print "-X " chain
  delete chains
  print
}
