package cinder

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"capi-mgmt/lab/kubernetes/cloud"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	clusterKey = DriverName + "/cluster"
	gibibyte   = int64(1) << 30
)

// Controller does what concerns OpenStack alone.
type Controller struct {
	csi.UnimplementedControllerServer
	Cloud *cloud.Cloud
	// Cluster is written into each volume's metadata.
	Cluster string
}

// ControllerGetCapabilities lists what the controller can do.
func (*Controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	var all []*csi.ControllerServiceCapability
	for _, kind := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME, csi.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME,
		csi.ControllerServiceCapability_RPC_EXPAND_VOLUME,
	} {
		rpc := &csi.ControllerServiceCapability_RPC{Type: kind}
		all = append(all, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: rpc}})
	}
	return &csi.ControllerGetCapabilitiesResponse{Capabilities: all}, nil
}

// CreateVolume makes a volume, or finds the one of that name from an earlier try.
func (c *Controller) CreateVolume(ctx context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if err := supported(request.VolumeCapabilities...); err != nil {
		return nil, err
	}
	if request.Name == "" || request.VolumeContentSource != nil {
		return nil, status.Error(codes.InvalidArgument, "a volume needs a name and is made empty (no snapshots or clones here)")
	}
	pages, err := volumes.List(c.Cloud.Volume, volumes.ListOpts{Name: request.Name}).AllPages(ctx)
	if err != nil {
		return nil, failed("list volumes", err)
	}
	found, err := volumes.ExtractVolumes(pages)
	if err != nil {
		return nil, failed("list volumes", err)
	}
	size := gibibytes(request.CapacityRange)
	if len(found) == 0 {
		made, err := c.create(ctx, request, size)
		if err != nil {
			return nil, failed("create volume", err)
		}
		found = append(found, *made)
	} else if len(found) > 1 || found[0].Size != size {
		return nil, status.Errorf(codes.AlreadyExists, "%d volumes are named %s, the first has %d GiB", len(found), request.Name, found[0].Size)
	}
	if err := c.await(ctx, found[0].ID, idle); err != nil {
		return nil, err
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{VolumeId: found[0].ID, CapacityBytes: int64(size) * gibibyte}}, nil
}

func (c *Controller) create(ctx context.Context, request *csi.CreateVolumeRequest, size int) (*volumes.Volume, error) {
	metadata := map[string]string{clusterKey: c.Cluster}
	for key, value := range request.Parameters {
		if strings.HasPrefix(key, "csi.storage.k8s.io/pv") { // names of claim and volume
			metadata[key] = value
		}
	}
	return volumes.Create(ctx, c.Cloud.Volume, volumes.CreateOpts{
		Name: request.Name, Size: size, VolumeType: request.Parameters["type"],
		AvailabilityZone: request.Parameters["availability"], Metadata: metadata,
	}, nil).Extract()
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
	if err := supported(request.VolumeCapability); err != nil {
		return nil, err
	}
	volume, err := volumes.Get(ctx, c.Cloud.Volume, request.VolumeId).Extract()
	if err != nil {
		return nil, failed("get volume", err)
	}
	attached := func(v *volumes.Volume) bool { return v.Status == "in-use" && onServer(v, request.NodeId) }
	if !attached(volume) {
		if len(volume.Attachments) > 0 {
			return nil, status.Errorf(codes.FailedPrecondition, "volume %s is attached to server %s", volume.ID, volume.Attachments[0].ServerID)
		}
		_, err := volumeattach.Create(ctx, c.Cloud.Compute, request.NodeId, volumeattach.CreateOpts{VolumeID: volume.ID}).Extract()
		// Nova answers 409 or 400 while an earlier try is under way: the wait below says how it ends.
		if err != nil && volume.Status != "attaching" {
			return nil, failed("attach volume", err)
		}
	}
	return &csi.ControllerPublishVolumeResponse{}, c.await(ctx, volume.ID, attached)
}

// ControllerUnpublishVolume detaches a volume from a server; where either is gone, it is detached.
func (c *Controller) ControllerUnpublishVolume(ctx context.Context, request *csi.ControllerUnpublishVolumeRequest) (*csi.ControllerUnpublishVolumeResponse, error) {
	volume, err := volumes.Get(ctx, c.Cloud.Volume, request.VolumeId).Extract()
	if err == nil && onServer(volume, request.NodeId) {
		err = volumeattach.Delete(ctx, c.Cloud.Compute, request.NodeId, volume.ID).ExtractErr()
		if err == nil || volume.Status == "detaching" {
			err = c.await(ctx, volume.ID, func(v *volumes.Volume) bool { return !onServer(v, request.NodeId) })
		}
	}
	if err != nil && !cloud.NotFound(err) && status.Code(err) != codes.NotFound {
		return nil, failed("detach volume", err)
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
	err = c.await(ctx, volume.ID, func(v *volumes.Volume) bool { return v.Size >= size && idle(v) })
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: int64(max(size, volume.Size)) * gibibyte, NodeExpansionRequired: true}, err
}

// await looks at a volume every second until it is as wanted, in error, or the caller's time is over.
func (c *Controller) await(ctx context.Context, id string, wanted func(*volumes.Volume) bool) error {
	err := gophercloud.WaitFor(ctx, func(ctx context.Context) (bool, error) {
		volume, err := volumes.Get(ctx, c.Cloud.Volume, id).Extract()
		if err == nil && strings.HasPrefix(volume.Status, "error") {
			err = errors.New("it is in status " + volume.Status)
		}
		return err == nil && wanted(volume), err
	})
	if err != nil {
		return failed("volume "+id, err)
	}
	return nil
}

func idle(volume *volumes.Volume) bool {
	return volume.Status == "available" || volume.Status == "in-use"
}

func onServer(volume *volumes.Volume, server string) bool {
	return slices.ContainsFunc(volume.Attachments, func(a volumes.Attachment) bool { return a.ServerID == server })
}

// gibibytes rounds a wish up to whole GiB; without one it is 1.
func gibibytes(wish *csi.CapacityRange) int {
	return max(1, int((wish.GetRequiredBytes()+gibibyte-1)/gibibyte))
}

// supported refuses what the driver does not do: raw block volumes, several nodes, other file systems.
func supported(capabilities ...*csi.VolumeCapability) error {
	for _, capability := range capabilities {
		if kind := fileSystem(capability); capability.GetMount() == nil || kind != "ext4" && kind != "xfs" {
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
