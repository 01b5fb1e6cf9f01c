package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	corev1 "k8s.io/api/core/v1"
	serverv1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1alpha1"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
	clusterv1beta1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// openStackServerController turns an OpenStackServer into ports, volumes and a Nova server. Upstream analogue: Cluster
// API Provider OpenStack's openstackserver controller.
type openStackServerController struct {
	*base
	clouds *cloudCache
}

func (c openStackServerController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	o := &serverv1.OpenStackServer{}
	if err := c.Get(ctx, request.NamespacedName, o); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	cluster, err := c.clusterOf(ctx, o)
	if err != nil || paused(cluster, o) {
		return 0, err
	}
	e := c.edit(o)
	if o.DeletionTimestamp.IsZero() && controllerutil.AddFinalizer(o, serverv1.OpenStackServerFinalizer) {
		if err := e.save(ctx); err != nil { // before the first OpenStack object
			return 0, err
		}
	}
	var failure error
	cloud, err := c.clouds.get(ctx, c.Client, o.Namespace, o.Spec.IdentityRef)
	switch {
	case err != nil:
		failure = err
		c.fail(o, infrav1.OpenStackErrorReason, err)
	case o.DeletionTimestamp.IsZero():
		failure = c.provision(ctx, cloud, o, cluster)
	default:
		failure = c.delete(ctx, cloud, o)
	}
	if err := e.save(ctx); err != nil {
		return 0, err
	}
	if failure == nil && o.DeletionTimestamp.IsZero() {
		return 30 * time.Second, nil // somebody may delete the server
	}
	return 0, failure
}

// fail writes the condition and tells of it.
func (c openStackServerController) fail(o *serverv1.OpenStackServer, reason string, err error) {
	var pause wait
	if errors.As(err, &pause) {
		return
	}
	o.Status.Ready = false
	setInfra(&o.Status.Conditions, infrav1.InstanceReadyCondition, false, clusterv1beta1.ConditionSeverityError, reason, err.Error())
	c.event(o, true, reason, "%v", err)
}

func (c openStackServerController) provision(ctx context.Context, cloud *cloud, o *serverv1.OpenStackServer, cluster *clusterv1.Cluster) error {
	id := deref(o.Status.InstanceID)
	if id == "" {
		found, err := cloud.serverNamed(ctx, o.Name)
		if err != nil {
			return err
		}
		if found == nil {
			if found, err = c.create(ctx, cloud, o, cluster); err != nil {
				c.fail(o, infrav1.InstanceCreateFailedReason, err)
				return err
			}
			c.event(o, false, "SuccessfulCreateServer", "Created server %s with id %s", o.Name, found.ID)
		}
		id = found.ID
		o.Status.InstanceID = &id
	}
	server, err := servers.Get(ctx, cloud.compute, id).Extract()
	if gone(err) {
		state := infrav1.InstanceStateDeleted
		o.Status.InstanceState = &state
		c.fail(o, infrav1.InstanceNotFoundReason, errors.New(infrav1.ServerUnexpectedDeletedMessage))
		return nil // it does not come back; a health check may replace the Machine
	}
	if err != nil {
		return err
	}
	state := infrav1.InstanceState(server.Status)
	if c.profile.get(ctx).Faults.Server == "ERROR" && !o.Status.Ready {
		state, server.Fault.Message = infrav1.InstanceStateError, "ERROR as the lab's profile asks"
	}
	o.Status.InstanceState = &state
	switch state {
	case infrav1.InstanceStateActive:
	case infrav1.InstanceStateError:
		c.fail(o, infrav1.InstanceStateErrorReason, fmt.Errorf("server %s is in state ERROR: %s", o.Name, server.Fault.Message))
		return wait{5 * time.Second}
	case infrav1.InstanceStateShutoff, infrav1.InstanceStateStopped:
		c.fail(o, infrav1.InstanceNotReadyReason, fmt.Errorf("server %s is in state %s", o.Name, state))
		return wait{5 * time.Second}
	default:
		setInfra(&o.Status.Conditions, infrav1.InstanceReadyCondition, false, clusterv1beta1.ConditionSeverityInfo, infrav1.InstanceNotReadyReason, fmt.Sprintf("Server is in state %s", state))
		return wait{c.pace.poll(ctx)}
	}
	if left := c.pace.left(ctx, string(o.UID), stepServer); left > 0 {
		return wait{left}
	}
	if err := c.addresses(ctx, cloud, o, id); err != nil {
		return err
	}
	o.Status.Ready = true
	setInfra(&o.Status.Conditions, infrav1.InstanceReadyCondition, true, "", "", "")
	return nil
}

func (c openStackServerController) addresses(ctx context.Context, cloud *cloud, o *serverv1.OpenStackServer, id string) error {
	attached, err := cloud.portsOf(ctx, ports.ListOpts{DeviceID: id})
	if err != nil {
		return err
	}
	o.Status.Addresses = nil
	for _, port := range attached {
		for _, ip := range port.FixedIPs {
			o.Status.Addresses = append(o.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip.IPAddress})
		}
	}
	if len(o.Status.Addresses) == 0 {
		return fmt.Errorf("server %s has no address", o.Name)
	}
	o.Status.Addresses = append(o.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: o.Name}, corev1.NodeAddress{Type: corev1.NodeInternalDNS, Address: o.Name})
	return nil
}

// create makes ports and volumes, then the server, each found again by name after an interruption.
func (c openStackServerController) create(ctx context.Context, cloud *cloud, o *serverv1.OpenStackServer, cluster *clusterv1.Cluster) (*servers.Server, error) {
	resolved, err := cloud.resolve(ctx, o)
	if err != nil {
		return nil, err
	}
	o.Status.Resolved = &serverv1.ResolvedServerSpec{ImageID: resolved.image, FlavorID: resolved.flavor, ServerGroupID: resolved.group}
	var networks []servers.Network
	o.Status.Resources = &serverv1.ServerResources{}
	for i := range o.Spec.Ports {
		port, err := cloud.ensurePort(ctx, o, i)
		if err != nil {
			return nil, err
		}
		networks = append(networks, servers.Network{Port: port.ID})
		o.Status.Resources.Ports = append(o.Status.Resources.Ports, infrav1.PortStatus{ID: port.ID})
	}
	devices, err := cloud.blockDevices(ctx, o, resolved.image)
	if err != nil {
		return nil, err
	}
	userData, err := c.userData(ctx, cloud, o, cluster)
	if err != nil {
		return nil, err
	}
	metadata := map[string]string{}
	for _, pair := range o.Spec.ServerMetadata {
		metadata[pair.Key] = pair.Value
	}
	opts := servers.CreateOpts{Name: o.Name, FlavorRef: resolved.flavor, ImageRef: resolved.image, Networks: networks, UserData: userData, Metadata: metadata, Tags: o.Spec.Tags,
		ConfigDrive: o.Spec.ConfigDrive, AvailabilityZone: deref(o.Spec.AvailabilityZone), BlockDevice: devices}
	if o.Spec.RootVolume != nil {
		opts.ImageRef = ""
	}
	hints := servers.SchedulerHintOpts{Group: resolved.group, AdditionalProperties: map[string]any{}}
	for _, hint := range o.Spec.SchedulerHintAdditionalProperties {
		switch {
		case hint.Value.Bool != nil:
			hints.AdditionalProperties[hint.Name] = *hint.Value.Bool
		case hint.Value.Number != nil:
			hints.AdditionalProperties[hint.Name] = *hint.Value.Number
		case hint.Value.String != nil:
			hints.AdditionalProperties[hint.Name] = *hint.Value.String
		}
	}
	return servers.Create(ctx, cloud.compute, withKey{opts, o.Spec.SSHKeyName}, hints).Extract()
}

// withKey adds the key pair's name to a request for a server.
type withKey struct {
	servers.CreateOpts
	key string
}

func (w withKey) ToServerCreateMap() (map[string]any, error) {
	body, err := w.CreateOpts.ToServerCreateMap()
	if err == nil && w.key != "" {
		body["server"].(map[string]any)["key_name"] = w.key
	}
	return body, err
}

func (c openStackServerController) delete(ctx context.Context, cloud *cloud, o *serverv1.OpenStackServer) error {
	id := deref(o.Status.InstanceID)
	if id == "" {
		found, err := cloud.serverNamed(ctx, o.Name)
		if err != nil {
			return err
		}
		if found != nil {
			id = found.ID
		}
	}
	if id != "" {
		server, err := servers.Get(ctx, cloud.compute, id).Extract()
		if err == nil && server.Status != "DELETED" && server.Status != "SOFT_DELETED" {
			if err := servers.Delete(ctx, cloud.compute, id).ExtractErr(); err != nil && !gone(err) && !busy(err) {
				c.fail(o, infrav1.InstanceDeleteFailedReason, err)
				return err
			}
			return wait{c.pace.poll(ctx)}
		}
		if err != nil && !gone(err) {
			return err
		}
	}
	if err := cloud.deletePorts(ctx, o); err != nil {
		return err
	}
	if err := cloud.deleteVolumes(ctx, o); err != nil {
		return err
	}
	c.event(o, false, "SuccessfulDeleteServer", "Deleted server %s with id %s", o.Name, id)
	controllerutil.RemoveFinalizer(o, serverv1.OpenStackServerFinalizer)
	return nil
}

// serverNamed finds a server by its exact name. Nil when there is none.
func (c *cloud) serverNamed(ctx context.Context, name string) (*servers.Server, error) {
	pages, err := servers.List(c.compute, servers.ListOpts{Name: "^" + name + "$"}).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	found, err := servers.ExtractServers(pages)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}
