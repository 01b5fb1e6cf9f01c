// Package cinder is a CSI driver for Cinder's volumes: made, attached, grown and deleted through OpenStack's APIs, made
// into file systems and mounted on the node. Upstream analogue: pkg/csi/cinder of cloud-provider-openstack, without
// snapshots, clones, raw block volumes, topology and several clouds.
package cinder

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"capi-mgmt/lab/kubernetes/cloud"
	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// DriverName is what storage classes and volumes call the driver.
	DriverName = "cinder.csi.openstack.org"
	clusterKey = DriverName + "/cluster"
	gibibyte   = int64(1) << 30
)

// Controller does what concerns OpenStack alone.
type Controller struct {
	csi.UnimplementedControllerServer
	Cloud *cloud.Cloud
	// Cluster is written into each volume's metadata.
	Cluster string
	// Poll is the pause between two looks at a volume that changes. Zero: one second.
	Poll time.Duration
}

// ControllerGetCapabilities lists what the controller can do.
func (*Controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	response := &csi.ControllerGetCapabilitiesResponse{}
	for _, kind := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME, csi.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME,
		csi.ControllerServiceCapability_RPC_EXPAND_VOLUME,
	} {
		rpc := &csi.ControllerServiceCapability_RPC{Type: kind}
		response.Capabilities = append(response.Capabilities,
			&csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: rpc}})
	}
	return response, nil
}

// ValidateVolumeCapabilities confirms what is supported for a volume that exists.
func (c *Controller) ValidateVolumeCapabilities(ctx context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if _, err := volumes.Get(ctx, c.Cloud.Volume, request.VolumeId).Extract(); err != nil {
		return nil, failed("get volume", err)
	}
	if err := supported(request.VolumeCapabilities); err != nil {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: status.Convert(err).Message()}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{
		Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: request.VolumeCapabilities},
	}, nil
}

// CreateVolume makes a volume, or finds the one of that name from an earlier try.
func (c *Controller) CreateVolume(ctx context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if err := supported(request.VolumeCapabilities); err != nil {
		return nil, err
	}
	if request.Name == "" || request.VolumeContentSource != nil {
		return nil, status.Error(codes.InvalidArgument, "a volume needs a name and is made empty (no snapshots or clones here)")
	}
	size := gibibytes(request.CapacityRange)
	pages, err := volumes.List(c.Cloud.Volume, volumes.ListOpts{Name: request.Name}).AllPages(ctx)
	if err != nil {
		return nil, failed("list volumes", err)
	}
	found, err := volumes.ExtractVolumes(pages)
	if err != nil {
		return nil, failed("list volumes", err)
	}
	id := ""
	switch {
	case len(found) == 0:
		metadata := map[string]string{clusterKey: c.Cluster}
		for key, value := range request.Parameters {
			if strings.HasPrefix(key, "csi.storage.k8s.io/pv") { // names of claim and volume
				metadata[key] = value
			}
		}
		made, err := volumes.Create(ctx, c.Cloud.Volume, volumes.CreateOpts{
			Name: request.Name, Size: size, VolumeType: request.Parameters["type"],
			AvailabilityZone: request.Parameters["availability"], Metadata: metadata,
		}, nil).Extract()
		if err != nil {
			return nil, failed("create volume", err)
		}
		id = made.ID
	case len(found) == 1 && found[0].Size == size:
		id = found[0].ID
	case len(found) == 1:
		return nil, status.Errorf(codes.AlreadyExists, "volume %s exists with %d GiB", request.Name, found[0].Size)
	default:
		return nil, status.Errorf(codes.Internal, "%d volumes are named %s", len(found), request.Name)
	}
	if err := c.await(ctx, id, func(v *volumes.Volume) bool { return v.Status == "available" || v.Status == "in-use" }); err != nil {
		return nil, err
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{VolumeId: id, CapacityBytes: int64(size) * gibibyte}}, nil
}

// DeleteVolume deletes a volume; one that is gone is deleted.
func (c *Controller) DeleteVolume(ctx context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	err := volumes.Delete(ctx, c.Cloud.Volume, request.VolumeId, nil).ExtractErr()
	if err != nil && !cloud.NotFound(err) {
		return nil, failed("delete volume", err)
	}
	return &csi.DeleteVolumeResponse{}, nil
}

// ControllerPublishVolume attaches a volume to a server.
func (c *Controller) ControllerPublishVolume(ctx context.Context, request *csi.ControllerPublishVolumeRequest) (*csi.ControllerPublishVolumeResponse, error) {
	if err := supported([]*csi.VolumeCapability{request.VolumeCapability}); err != nil {
		return nil, err
	}
	volume, err := volumes.Get(ctx, c.Cloud.Volume, request.VolumeId).Extract()
	if err != nil {
		return nil, failed("get volume", err)
	}
	if !attachedTo(request.NodeId)(volume) {
		if len(volume.Attachments) > 0 {
			return nil, status.Errorf(codes.FailedPrecondition, "volume %s is attached to server %s", volume.ID, volume.Attachments[0].ServerID)
		}
		options := volumeattach.CreateOpts{VolumeID: volume.ID}
		// Nova answers 409 or 400 while an earlier try is under way: the wait below says how it ends.
		if _, err := volumeattach.Create(ctx, c.Cloud.Compute, request.NodeId, options).Extract(); err != nil && volume.Status != "attaching" {
			return nil, failed("attach volume", err)
		}
		if err := c.await(ctx, volume.ID, attachedTo(request.NodeId)); err != nil {
			return nil, err
		}
	}
	return &csi.ControllerPublishVolumeResponse{}, nil
}

// ControllerUnpublishVolume detaches a volume from a server; where either is gone, it is detached.
func (c *Controller) ControllerUnpublishVolume(ctx context.Context, request *csi.ControllerUnpublishVolumeRequest) (*csi.ControllerUnpublishVolumeResponse, error) {
	volume, err := volumes.Get(ctx, c.Cloud.Volume, request.VolumeId).Extract()
	if err != nil && !cloud.NotFound(err) {
		return nil, failed("get volume", err)
	}
	if err == nil && onServer(volume, request.NodeId) {
		err := volumeattach.Delete(ctx, c.Cloud.Compute, request.NodeId, volume.ID).ExtractErr()
		if err != nil && !cloud.NotFound(err) && volume.Status != "detaching" {
			return nil, failed("detach volume", err)
		}
		err = c.await(ctx, volume.ID, func(v *volumes.Volume) bool { return !onServer(v, request.NodeId) })
		if err != nil && status.Code(err) != codes.NotFound {
			return nil, err
		}
	}
	return &csi.ControllerUnpublishVolumeResponse{}, nil
}

// ControllerExpandVolume grows a volume, attached or not; the node grows the file system.
func (c *Controller) ControllerExpandVolume(ctx context.Context, request *csi.ControllerExpandVolumeRequest) (*csi.ControllerExpandVolumeResponse, error) {
	volume, err := volumes.Get(ctx, c.Cloud.Volume, request.VolumeId).Extract()
	if err != nil {
		return nil, failed("get volume", err)
	}
	size := gibibytes(request.CapacityRange)
	if volume.Size < size {
		err := volumes.ExtendSize(ctx, c.Cloud.Volume, volume.ID, volumes.ExtendSizeOpts{NewSize: size}).ExtractErr()
		if err != nil && volume.Status != "extending" {
			return nil, failed("extend volume", err)
		}
	}
	grown := func(v *volumes.Volume) bool {
		return v.Size >= size && (v.Status == "available" || v.Status == "in-use")
	}
	if err := c.await(ctx, volume.ID, grown); err != nil {
		return nil, err
	}
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: int64(max(size, volume.Size)) * gibibyte, NodeExpansionRequired: true}, nil
}

// await looks at a volume until it is as wanted, in error, or the caller's time is over.
func (c *Controller) await(ctx context.Context, id string, wanted func(*volumes.Volume) bool) error {
	pause := c.Poll
	if pause == 0 {
		pause = time.Second
	}
	for {
		volume, err := volumes.Get(ctx, c.Cloud.Volume, id).Extract()
		switch {
		case err != nil:
			return failed("get volume", err)
		case wanted(volume):
			return nil
		case strings.HasPrefix(volume.Status, "error"):
			return status.Errorf(codes.Internal, "volume %s is in status %s", id, volume.Status)
		}
		select {
		case <-ctx.Done():
			return status.Errorf(codes.DeadlineExceeded, "volume %s is still in status %s", id, volume.Status)
		case <-time.After(pause):
		}
	}
}

func onServer(volume *volumes.Volume, server string) bool {
	return slices.ContainsFunc(volume.Attachments, func(a volumes.Attachment) bool { return a.ServerID == server })
}

func attachedTo(server string) func(*volumes.Volume) bool {
	return func(volume *volumes.Volume) bool { return volume.Status == "in-use" && onServer(volume, server) }
}

// gibibytes rounds a wish up to whole GiB; without one it is 1.
func gibibytes(wish *csi.CapacityRange) int {
	return max(1, int((wish.GetRequiredBytes()+gibibyte-1)/gibibyte))
}

// supported refuses what the driver does not do: raw block volumes, several nodes, other file systems.
func supported(capabilities []*csi.VolumeCapability) error {
	if len(capabilities) == 0 {
		return status.Error(codes.InvalidArgument, "volume capabilities are missing")
	}
	for _, capability := range capabilities {
		if kind := fileSystem(capability); capability.GetMount() == nil || fileSystems[kind].make == nil {
			return status.Errorf(codes.InvalidArgument, "only file systems of type ext4 and xfs are supported here, not %q", kind)
		}
		if mode := capability.GetAccessMode().GetMode(); mode != csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER {
			return status.Errorf(codes.InvalidArgument, "access mode %s is not supported (legal: SINGLE_NODE_WRITER)", mode)
		}
	}
	return nil
}

// failed gives OpenStack's answer the code that the sidecars act on.
func failed(what string, err error) error {
	code := codes.Internal
	switch {
	case cloud.NotFound(err):
		code = codes.NotFound
	case gophercloud.ResponseCodeIs(err, http.StatusRequestEntityTooLarge):
		code = codes.ResourceExhausted
	}
	return status.Errorf(code, "%s: %v", what, err)
}
