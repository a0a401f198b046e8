package main

// podnet is the pod network of the node image that is built here: kind's own comes as an image that cannot be
// had from a package registry. All nodes of a kind cluster hang on one Docker bridge, so a route for each of
// the other nodes' pod ranges is a whole network. Three things are kept true on every node: those routes, one
// masquerade rule for what leaves the pod network, and the CNI configuration with this node's own range.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/vishvananda/netlink"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

const (
	cniFile    = "/etc/cni/net.d/10-podnet.conflist"
	cniContent = `{
  "cniVersion": "1.0.0",
  "name": "podnet",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": false,
      "mtu": %d,
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/cni-ipam-state",
        "routes": [{"dst": "0.0.0.0/0"}],
        "ranges": [[{"subnet": %q}]]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`
	retryAfter = 2 * time.Second
	// How long pods are held back for kube-proxy; beyond it a cluster with slow DNS beats one without pods.
	servicesWithin = time.Minute
)

func newPodnetCommand() *cobra.Command {
	return &cobra.Command{
		Use:          "podnet",
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return runPodnet(cmd.Context()) },
	}
}

type podnet struct {
	node, podSubnet string
}

func runPodnet(ctx context.Context) error {
	p := podnet{node: os.Getenv("NODE_NAME"), podSubnet: os.Getenv("POD_SUBNET")}
	if p.node == "" || p.podSubnet == "" {
		return errors.New("NODE_NAME and POD_SUBNET must be set")
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	// The service address works only once kube-proxy does; kind tells the real one.
	if endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT"); endpoint != "" {
		config.Host = "https://" + endpoint
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	return p.follow(ctx, informers.NewSharedInformerFactory(client, time.Minute))
}

// follow brings this node up to date whenever any node changes, and every minute in case somebody undid it.
func (p podnet) follow(ctx context.Context, factory informers.SharedInformerFactory) error {
	nodes := factory.Core().V1().Nodes()
	changed := make(chan struct{}, 1)
	mark := func() {
		select {
		case changed <- struct{}{}:
		default: // one is waiting already and will see this change too
		}
	}
	_, err := nodes.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { mark() },
		UpdateFunc: func(any, any) { mark() },
		DeleteFunc: func(any) { mark() },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		list, err := nodes.Lister().List(labels.Everything())
		if err == nil {
			err = p.apply(list)
		}
		if err != nil {
			klog.ErrorS(err, "cannot bring the pod network up to date, trying again", "after", retryAfter)
			time.AfterFunc(retryAfter, mark)
		}
	}
}

func (p podnet) apply(nodes []*v1.Node) error {
	if err := masquerade(p.podSubnet); err != nil {
		return err
	}
	own := ""
	for _, node := range nodes {
		if node.Name == p.node {
			own = node.Spec.PodCIDR
		} else if node.Spec.PodCIDR != "" {
			if err := route(node); err != nil {
				return err
			}
		}
	}
	if own == "" { // the controller manager has not given this node a range yet
		return nil
	}
	return configure(own)
}

func route(node *v1.Node) error {
	_, pods, err := net.ParseCIDR(node.Spec.PodCIDR)
	if err != nil {
		return err
	}
	for _, address := range node.Status.Addresses {
		gateway := net.ParseIP(address.Address)
		if address.Type != v1.NodeInternalIP || gateway == nil || gateway.To4() == nil {
			continue
		}
		if err := netlink.RouteReplace(&netlink.Route{Dst: pods, Gw: gateway}); err != nil {
			return fmt.Errorf("route %s via %s: %w", pods, gateway, err)
		}
	}
	return nil
}

func masquerade(podSubnet string) error {
	rule := "POSTROUTING -s " + podSubnet + " ! -d " + podSubnet + " -m addrtype ! --dst-type LOCAL -j MASQUERADE"
	iptables := func(action string) error {
		args := append([]string{"-w", "-t", "nat", action}, strings.Fields(rule)...)
		if out, err := exec.Command("iptables", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("iptables %s %s: %w: %s", action, rule, err, out)
		}
		return nil
	}
	if iptables("-C") == nil {
		return nil
	}
	return iptables("-A")
}

// configure writes the file whose appearance makes the node Ready, whole and last.
func configure(podCIDR string) error {
	mtu := 1500
	if link, err := netlink.LinkByName("eth0"); err == nil {
		mtu = link.Attrs().MTU
	}
	want := fmt.Sprintf(cniContent, mtu, podCIDR)
	if have, err := os.ReadFile(cniFile); err == nil && string(have) == want {
		return nil
	}
	awaitServices()
	partial := cniFile + ".partial" // containerd reads *.conf, *.conflist and *.json
	if err := os.WriteFile(partial, []byte(want), 0o644); err != nil {
		return err
	}
	klog.InfoS("the pod network is ready", "podCIDR", podCIDR)
	return os.Rename(partial, cniFile)
}

// awaitServices holds pods back until kube-proxy has set this node up. A pod that dials a service earlier leaves
// an untranslated entry in the connection tracker, and all its retries follow that entry for half a minute.
func awaitServices() {
	address := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	for end := time.Now().Add(servicesWithin); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if connection, err := net.DialTimeout("tcp", address, 300*time.Millisecond); err == nil {
			_ = connection.Close()
			return
		}
	}
	klog.InfoS("the API's service address does not answer; going on without it", "address", address)
}
