package cinder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fileSystems says how each type is made on a device, and how it grows. The first needs CAP_SYS_RESOURCE for that.
var fileSystems = map[string]struct {
	make []string
	grow func(device, path string) []string
}{
	"ext4": {[]string{"mkfs.ext4", "-q", "-m", "0"}, func(device, _ string) []string { return []string{"resize2fs", device} }},
	"xfs":  {[]string{"mkfs.xfs", "-q"}, func(_, path string) []string { return []string{"xfs_growfs", path} }},
}

// fileSystem is the type asked for, or upstream's default.
func fileSystem(capability *csi.VolumeCapability) string {
	if kind := capability.GetMount().GetFsType(); kind != "" {
		return kind
	}
	return "ext4"
}

// Node makes file systems on attached volumes and mounts them on its machine.
type Node struct {
	csi.UnimplementedNodeServer
	Machine Machine
}

// NodeGetInfo names the node as Nova does, by what cloud-init was told.
func (n *Node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	id, err := os.ReadFile(n.Machine.Path("/var/lib/cloud/data/instance-id"))
	if err != nil {
		return nil, status.Errorf(codes.Internal, "server id of this machine: %v", err)
	}
	return &csi.NodeGetInfoResponse{NodeId: strings.TrimSpace(string(id))}, nil
}

// NodeGetCapabilities lists what the node can do.
func (*Node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	response := &csi.NodeGetCapabilitiesResponse{}
	for _, kind := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME, csi.NodeServiceCapability_RPC_EXPAND_VOLUME,
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
	} {
		rpc := &csi.NodeServiceCapability_RPC{Type: kind}
		response.Capabilities = append(response.Capabilities, &csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{Rpc: rpc}})
	}
	return response, nil
}

// NodeStageVolume mounts a volume for the node; an empty one gets a file system first.
func (n *Node) NodeStageVolume(ctx context.Context, request *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	if err := supported([]*csi.VolumeCapability{request.VolumeCapability}); err != nil {
		return nil, err
	}
	device, err := n.device(request.VolumeId)
	if err != nil {
		return nil, err
	}
	if mounted, err := n.Machine.Mounted(request.StagingTargetPath); err != nil || mounted != "" {
		return &csi.NodeStageVolumeResponse{}, err
	}
	wanted := fileSystem(request.VolumeCapability)
	// 2: there is nothing that blkid knows. It says the same of a device that it cannot open, where mkfs fails too.
	kind, code, err := n.Machine.Run(ctx, "blkid", "--probe", "--match-tag", "TYPE", "--output", "value", device)
	switch {
	case code == 2 && kind == "":
		if err := n.run(ctx, append(slices.Clone(fileSystems[wanted].make), device)...); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, status.Error(codes.Internal, err.Error())
	case kind != wanted:
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s holds %s, not %s", request.VolumeId, kind, wanted)
	}
	options := append([]string{"defaults"}, request.VolumeCapability.GetMount().GetMountFlags()...)
	return &csi.NodeStageVolumeResponse{}, n.run(ctx, "mount", "-t", wanted, "-o", strings.Join(options, ","), device, request.StagingTargetPath)
}

// NodeUnstageVolume undoes NodeStageVolume.
func (n *Node) NodeUnstageVolume(ctx context.Context, request *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	return &csi.NodeUnstageVolumeResponse{}, n.unmount(ctx, request.StagingTargetPath)
}

// NodePublishVolume shows a mounted volume to a pod.
func (n *Node) NodePublishVolume(ctx context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if mounted, err := n.Machine.Mounted(request.TargetPath); err != nil || mounted != "" {
		return &csi.NodePublishVolumeResponse{}, err
	}
	if mounted, err := n.Machine.Mounted(request.StagingTargetPath); err != nil || mounted == "" {
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s is not staged (%v)", request.VolumeId, err)
	}
	if err := os.MkdirAll(n.Machine.Path(request.TargetPath), 0o750); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	options := "bind"
	if request.Readonly {
		options = "bind,ro"
	}
	return &csi.NodePublishVolumeResponse{}, n.run(ctx, "mount", "-o", options, request.StagingTargetPath, request.TargetPath)
}

// NodeUnpublishVolume undoes NodePublishVolume.
func (n *Node) NodeUnpublishVolume(ctx context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if err := n.unmount(ctx, request.TargetPath); err != nil {
		return nil, err
	}
	if err := os.Remove(n.Machine.Path(request.TargetPath)); err != nil && !os.IsNotExist(err) {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// NodeExpandVolume grows the file system once the machine sees the volume's new size.
func (n *Node) NodeExpandVolume(ctx context.Context, request *csi.NodeExpandVolumeRequest) (*csi.NodeExpandVolumeResponse, error) {
	device, err := n.device(request.VolumeId)
	if err != nil {
		return nil, err
	}
	text, _, err := n.Machine.Run(ctx, "blockdev", "--getsize64", device)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	size, err := strconv.ParseInt(text, 10, 64)
	if wanted := request.CapacityRange.GetRequiredBytes(); err != nil || size < wanted {
		return nil, status.Errorf(codes.Internal, "%s has %s bytes, %d are wanted", device, text, wanted)
	}
	kind, err := n.Machine.Mounted(request.VolumePath)
	if err != nil || fileSystems[kind].grow == nil {
		return nil, status.Errorf(codes.FailedPrecondition, "%s holds no file system that grows, but %q (%v)", request.VolumePath, kind, err)
	}
	return &csi.NodeExpandVolumeResponse{CapacityBytes: size}, n.run(ctx, fileSystems[kind].grow(device, request.VolumePath)...)
}

// NodeGetVolumeStats tells how full a mounted volume is.
func (n *Node) NodeGetVolumeStats(_ context.Context, request *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(n.Machine.Path(request.VolumePath), &stat); err != nil {
		return nil, status.Errorf(codes.NotFound, "%s: %v", request.VolumePath, err)
	}
	usage := func(unit csi.VolumeUsage_Unit, total, available, free uint64, each int64) *csi.VolumeUsage {
		return &csi.VolumeUsage{Unit: unit, Total: int64(total) * each, Available: int64(available) * each, Used: int64(total-free) * each}
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{
		usage(csi.VolumeUsage_BYTES, stat.Blocks, stat.Bavail, stat.Bfree, stat.Bsize),
		usage(csi.VolumeUsage_INODES, stat.Files, stat.Ffree, stat.Ffree, 1),
	}}, nil
}

// device finds a volume by the serial number that hypervisors give its disk.
func (n *Node) device(volume string) (string, error) {
	for _, name := range []string{"virtio-%.20s", "virtio-%s", "scsi-0QEMU_QEMU_HARDDISK_%.20s", "scsi-0QEMU_QEMU_HARDDISK_%s"} {
		path := filepath.Join("/dev/disk/by-id", fmt.Sprintf(name, volume))
		if _, err := os.Lstat(n.Machine.Path(path)); err == nil {
			return path, nil
		}
	}
	return "", status.Errorf(codes.Unavailable, "no disk in /dev/disk/by-id is volume %s", volume)
}

func (n *Node) run(ctx context.Context, command ...string) error {
	if _, _, err := n.Machine.Run(ctx, command...); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}

func (n *Node) unmount(ctx context.Context, path string) error {
	if mounted, err := n.Machine.Mounted(path); err != nil || mounted == "" {
		return err
	}
	return n.run(ctx, "umount", path)
}
