package controllers

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
)

// securityGroups makes the control plane's and the workers' group with their rules, and brings the rules to what is
// asked for now. Nil when the cluster's groups are not managed.
func (c *cloud) securityGroups(ctx context.Context, o *infrav1.OpenStackCluster, cluster string) (controlPlane, worker *infrav1.SecurityGroupStatus, err error) {
	spec := o.Spec.ManagedSecurityGroups
	if spec == nil {
		return nil, nil, nil
	}
	made := map[string]*groups.SecGroup{}
	for _, role := range []string{"controlplane", "worker"} {
		if made[role], err = c.securityGroup(ctx, o, cluster, groupPrefix(o, cluster)+role); err != nil {
			return nil, nil, err
		}
	}
	ids := map[string]string{"controlplane": made["controlplane"].ID, "worker": made["worker"].ID}
	for role, group := range made {
		wanted, err := groupRules(spec, role, ids)
		if err != nil {
			return nil, nil, err
		}
		if err := c.syncRules(ctx, group, wanted); err != nil {
			return nil, nil, err
		}
	}
	status := func(role string) *infrav1.SecurityGroupStatus {
		return &infrav1.SecurityGroupStatus{Name: made[role].Name, ID: made[role].ID}
	}
	return status("controlplane"), status("worker"), nil
}

func (c *cloud) securityGroup(ctx context.Context, o *infrav1.OpenStackCluster, cluster, name string) (*groups.SecGroup, error) {
	pages, err := groups.List(c.network, groups.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	found, err := groups.ExtractGroups(pages)
	if err != nil {
		return nil, err
	}
	if len(found) > 0 {
		return &found[0], nil
	}
	made, err := groups.Create(ctx, c.network, groups.CreateOpts{Name: name, Description: "Cluster API managed group"}).Extract()
	if err != nil {
		return nil, err
	}
	return made, c.tag(ctx, "security-groups", made.ID, o, resourceName(o, cluster))
}

// groupRules are upstream's: the API for all, etcd and kubelets inside the cluster, all traffic between nodes where
// asked, and the rules of the specification.
func groupRules(spec *infrav1.ManagedSecurityGroups, role string, ids map[string]string) ([]rules.CreateOpts, error) {
	ingress := func(description, protocol string, from, to int, remote string) rules.CreateOpts {
		return rules.CreateOpts{Description: description, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.RuleProtocol(protocol),
			PortRangeMin: from, PortRangeMax: to, RemoteGroupID: remote}
	}
	out := []rules.CreateOpts{
		{Description: "Full open", Direction: rules.DirEgress, EtherType: rules.EtherType4},
		{Description: "Full open", Direction: rules.DirEgress, EtherType: rules.EtherType6},
		ingress("Kubelet API", "tcp", 10250, 10250, ids["controlplane"]),
		ingress("Kubelet API", "tcp", 10250, 10250, ids["worker"]),
	}
	specs := append([]infrav1.SecurityGroupRuleSpec{}, spec.AllNodesSecurityGroupRules...)
	if role == "controlplane" {
		out = append(out, ingress("Kubernetes API", "tcp", 6443, 6443, ""), ingress("Etcd", "tcp", 2379, 2380, ids["controlplane"]))
		specs = append(specs, spec.ControlPlaneNodesSecurityGroupRules...)
	} else {
		specs = append(specs, spec.WorkerNodesSecurityGroupRules...)
	}
	if spec.AllowAllInClusterTraffic {
		out = append(out, ingress("In-cluster Ingress", "", 0, 0, ids["controlplane"]), ingress("In-cluster Ingress", "", 0, 0, ids["worker"]))
	}
	for _, s := range specs {
		rule := rules.CreateOpts{Description: deref(s.Description), Direction: rules.RuleDirection(s.Direction), EtherType: rules.RuleEtherType(deref(s.EtherType)),
			Protocol: rules.RuleProtocol(deref(s.Protocol)), PortRangeMin: derefInt(s.PortRangeMin), PortRangeMax: derefInt(s.PortRangeMax),
			RemoteGroupID: deref(s.RemoteGroupID), RemoteIPPrefix: deref(s.RemoteIPPrefix)}
		if rule.EtherType == "" {
			rule.EtherType = rules.EtherType4
		}
		if len(s.RemoteManagedGroups) == 0 {
			out = append(out, rule)
			continue
		}
		for _, group := range s.RemoteManagedGroups {
			id, ok := ids[group.String()]
			if !ok {
				return nil, fmt.Errorf("security group rule %s: remoteManagedGroups %q (legal: controlplane, worker)", s.Name, group)
			}
			with := rule
			with.RemoteGroupID = id
			out = append(out, with)
		}
	}
	return out, nil
}

type ruleKey struct {
	direction, etherType, protocol, group, prefix string
	from, to                                      int
}

// syncRules creates what is missing and deletes what is not wanted.
func (c *cloud) syncRules(ctx context.Context, group *groups.SecGroup, wanted []rules.CreateOpts) error {
	pages, err := rules.List(c.network, rules.ListOpts{SecGroupID: group.ID}).AllPages(ctx)
	if err != nil {
		return err
	}
	found, err := rules.ExtractRules(pages)
	if err != nil {
		return err
	}
	have := map[ruleKey]string{}
	for _, r := range found {
		have[ruleKey{r.Direction, r.EtherType, r.Protocol, r.RemoteGroupID, r.RemoteIPPrefix, r.PortRangeMin, r.PortRangeMax}] = r.ID
	}
	keep := map[ruleKey]bool{}
	var missing []rules.CreateOpts
	for _, r := range wanted {
		key := ruleKey{string(r.Direction), string(r.EtherType), string(r.Protocol), r.RemoteGroupID, r.RemoteIPPrefix, r.PortRangeMin, r.PortRangeMax}
		if keep[key] {
			continue
		}
		keep[key] = true
		if _, exists := have[key]; exists {
			continue
		}
		r.SecGroupID = group.ID
		missing = append(missing, r)
	}
	if len(missing) > 0 {
		if _, err := rules.CreateBulk(ctx, c.network, missing).Extract(); err != nil && !busy(err) {
			return err
		}
	}
	for key, id := range have {
		if !keep[key] {
			if err := rules.Delete(ctx, c.network, id).ExtractErr(); err != nil && !gone(err) {
				return err
			}
		}
	}
	return nil
}

func (c *cloud) deleteGroups(ctx context.Context, o *infrav1.OpenStackCluster, cluster string) error {
	for _, role := range []string{"controlplane", "worker"} {
		pages, err := groups.List(c.network, groups.ListOpts{Name: groupPrefix(o, cluster) + role}).AllPages(ctx)
		if err != nil {
			return err
		}
		found, err := groups.ExtractGroups(pages)
		if err != nil {
			return err
		}
		for _, group := range found {
			if err := c.syncRules(ctx, &group, nil); err != nil { // groups that refer to each other could not go
				return err
			}
		}
		for _, group := range found {
			if err := groups.Delete(ctx, c.network, group.ID).ExtractErr(); err != nil && !gone(err) {
				return err
			}
		}
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func derefInt(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
