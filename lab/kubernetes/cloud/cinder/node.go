package cinder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/kubernetes/pkg/volume/util/fs"
	"k8s.io/mount-utils"
	"k8s.io/utils/exec"
)

// Node makes file systems on attached volumes and mounts them on its machine.
type Node struct {
	csi.UnimplementedNodeServer
	mounts *mount.SafeFormatAndMount
	root   string // folder of the machine's files
}

// EnterMachine makes this process, of a privileged pod in the machine's process namespace, one that sees the machine's
// mounts: it starts anew there. So the image needs no tools, and what they mount is the machine's.
func EnterMachine() (*Node, error) {
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return nil, err
	}
	machine, err := os.Readlink("/proc/1/ns/mnt")
	if err != nil {
		return nil, err
	}
	if own == machine {
		return &Node{mounts: mount.NewSafeFormatAndMount(mount.NewWithoutSystemd(""), exec.New()), root: "/"}, nil
	}
	program, err := syscall.Open("/proc/self/exe", syscall.O_RDONLY, 0) // still open after what follows
	if err != nil {
		return nil, err
	}
	if err := syscall.Chroot("/proc/1/root"); err != nil {
		return nil, err
	}
	command := []string{"nsenter", "--target=1", "--mount", "--", fmt.Sprintf("/proc/self/fd/%d", program)}
	return nil, syscall.Exec("/usr/bin/nsenter", append(command, os.Args[1:]...), append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin"))
}

// NodeGetInfo names the node as Nova does, by what cloud-init was told.
func (n *Node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	id, err := os.ReadFile(filepath.Join(n.root, "var/lib/cloud/data/instance-id"))
	if err != nil {
		return nil, status.Errorf(codes.Internal, "server id of this machine: %v", err)
	}
	return &csi.NodeGetInfoResponse{NodeId: strings.TrimSpace(string(id))}, nil
}

// NodeGetCapabilities lists what the node can do.
func (*Node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	var all []*csi.NodeServiceCapability
	for _, kind := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME, csi.NodeServiceCapability_RPC_EXPAND_VOLUME,
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
	} {
		rpc := &csi.NodeServiceCapability_RPC{Type: kind}
		all = append(all, &csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{Rpc: rpc}})
	}
	return &csi.NodeGetCapabilitiesResponse{Capabilities: all}, nil
}

// NodeStageVolume mounts a volume for the node; an empty one gets a file system first.
func (n *Node) NodeStageVolume(_ context.Context, request *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	if err := supported(request.VolumeCapability); err != nil {
		return nil, err
	}
	device, err := n.device(request.VolumeId)
	if err != nil {
		return nil, err
	}
	mounted, err := n.mounts.IsMountPoint(request.StagingTargetPath)
	if err == nil && !mounted {
		options := request.VolumeCapability.GetMount().GetMountFlags()
		err = n.mounts.FormatAndMount(device, request.StagingTargetPath, fileSystem(request.VolumeCapability), options)
	}
	return &csi.NodeStageVolumeResponse{}, internal(err)
}

// NodeUnstageVolume undoes NodeStageVolume.
func (n *Node) NodeUnstageVolume(_ context.Context, request *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	return &csi.NodeUnstageVolumeResponse{}, internal(mount.CleanupMountPoint(request.StagingTargetPath, n.mounts, true))
}

// NodePublishVolume shows a mounted volume to a pod.
func (n *Node) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if staged, err := n.mounts.IsMountPoint(request.StagingTargetPath); err != nil || !staged {
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s is not staged (%v)", request.VolumeId, err)
	}
	if err := os.MkdirAll(request.TargetPath, 0o750); err != nil {
		return nil, internal(err)
	}
	options := []string{"bind"}
	if request.Readonly {
		options = append(options, "ro")
	}
	mounted, err := n.mounts.IsMountPoint(request.TargetPath)
	if err == nil && !mounted {
		err = n.mounts.Mount(request.StagingTargetPath, request.TargetPath, "", options)
	}
	return &csi.NodePublishVolumeResponse{}, internal(err)
}

// NodeUnpublishVolume undoes NodePublishVolume.
func (n *Node) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	return &csi.NodeUnpublishVolumeResponse{}, internal(mount.CleanupMountPoint(request.TargetPath, n.mounts, true))
}

// NodeExpandVolume grows the file system once the machine sees the volume's new size.
func (n *Node) NodeExpandVolume(_ context.Context, request *csi.NodeExpandVolumeRequest) (*csi.NodeExpandVolumeResponse, error) {
	device, err := n.device(request.VolumeId)
	if err != nil {
		return nil, err
	}
	output, err := n.mounts.Exec.Command("blockdev", "--getsize64", device).Output()
	if err != nil {
		return nil, internal(err)
	}
	size, err := strconv.ParseInt(strings.TrimSpace(string(output)), 10, 64)
	if wanted := request.CapacityRange.GetRequiredBytes(); err != nil || size < wanted {
		return nil, status.Errorf(codes.Internal, "%s has %s bytes, %d are wanted", device, output, wanted)
	}
	_, err = mount.NewResizeFs(n.mounts.Exec).Resize(device, request.VolumePath)
	return &csi.NodeExpandVolumeResponse{CapacityBytes: size}, internal(err)
}

// NodeGetVolumeStats tells how full a mounted volume is.
func (n *Node) NodeGetVolumeStats(_ context.Context, request *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	available, capacity, usage, inodes, inodesFree, inodesUsed, err := fs.Info(request.VolumePath)
	if err != nil {
		return nil, status.Errorf(codes.NotFound, "%s: %v", request.VolumePath, err)
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{
		{Unit: csi.VolumeUsage_BYTES, Total: capacity, Available: available, Used: usage},
		{Unit: csi.VolumeUsage_INODES, Total: inodes, Available: inodesFree, Used: inodesUsed},
	}}, nil
}

// device finds a volume by the serial number that hypervisors give its disk.
func (n *Node) device(volume string) (string, error) {
	for _, name := range []string{"virtio-%.20s", "virtio-%s", "scsi-0QEMU_QEMU_HARDDISK_%.20s", "scsi-0QEMU_QEMU_HARDDISK_%s"} {
		path := filepath.Join(n.root, "dev/disk/by-id", fmt.Sprintf(name, volume))
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		}
	}
	return "", status.Errorf(codes.Unavailable, "no disk in /dev/disk/by-id is volume %s", volume)
}

// fileSystem is the type asked for, or upstream's default.
func fileSystem(capability *csi.VolumeCapability) string {
	if kind := capability.GetMount().GetFsType(); kind != "" {
		return kind
	}
	return "ext4"
}

func internal(err error) error {
	if err == nil {
		return nil
	}
	return status.Error(codes.Internal, err.Error())
}
