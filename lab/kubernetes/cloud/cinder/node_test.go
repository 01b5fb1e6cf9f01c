package cinder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"capi-mgmt/lab/kubernetes/cloud/cloudtest"
	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const volumeID = "0123456789abcdefghijklmnopq"

// machine is a folder with a disk; `act` records each command and answers as the test's files say.
func machine(t *testing.T) (*Node, string) {
	root := t.TempDir()
	for _, folder := range []string{"dev/disk/by-id", "var/lib/cloud/data"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cloudtest.Write(t, root, "dev/disk/by-id/virtio-0123456789abcdefghij", "")
	cloudtest.Write(t, root, "var/lib/cloud/data/instance-id", "server-1\n")
	cloudtest.Write(t, root, "mountinfo", "")
	script := fmt.Sprintf(`cd %s; echo "$*" >>commands; [ ! -f "$1.says" ] || . ./"$1.says"`, root)
	return &Node{Machine: Machine{Root: root, MountInfo: filepath.Join(root, "mountinfo"), Prefix: []string{"/bin/sh", "-c", script, "act"}}}, root
}

func commands(t *testing.T, root string) string {
	content, err := os.ReadFile(filepath.Join(root, "commands"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(content)
}

func stage() *csi.NodeStageVolumeRequest {
	return &csi.NodeStageVolumeRequest{VolumeId: volumeID, StagingTargetPath: "/staging", VolumeCapability: capability("ext4")}
}

func TestAnEmptyVolumeGetsAFileSystemOnce(t *testing.T) {
	node, root := machine(t)
	cloudtest.Write(t, root, "blkid.says", "exit 2")
	if _, err := node.NodeStageVolume(context.Background(), stage()); err != nil {
		t.Fatal(err)
	}
	device := "/dev/disk/by-id/virtio-0123456789abcdefghij"
	want := "blkid --probe --match-tag TYPE --output value " + device + "\nmkfs.ext4 -q -m 0 " + device + "\nmount -t ext4 -o defaults " + device + " /staging\n"
	if got := commands(t, root); got != want {
		t.Errorf("got %s", got)
	}
	cloudtest.Write(t, root, "blkid.says", "echo ext4")
	if _, err := node.NodeStageVolume(context.Background(), stage()); err != nil || strings.Count(commands(t, root), "mkfs") != 1 {
		t.Error(err, commands(t, root))
	}
	cloudtest.Write(t, root, "mountinfo", "36 25 7:1 / /staging rw shared:1 - ext4 /dev/vdb rw\n")
	if _, err := node.NodeStageVolume(context.Background(), stage()); err != nil || strings.Count(commands(t, root), "mount -t") != 2 {
		t.Error(err, commands(t, root))
	}
}

func TestADeviceThatCannotBeReadIsNotFormatted(t *testing.T) {
	node, root := machine(t)
	for says, code := range map[string]codes.Code{"echo broken >&2; exit 4": codes.Internal, "echo xfs": codes.FailedPrecondition} {
		cloudtest.Write(t, root, "blkid.says", says)
		if _, err := node.NodeStageVolume(context.Background(), stage()); status.Code(err) != code {
			t.Error(says, err)
		}
	}
	if strings.Contains(commands(t, root), "mkfs") {
		t.Error(commands(t, root))
	}
	missing := stage()
	missing.VolumeId = "another"
	if _, err := node.NodeStageVolume(context.Background(), missing); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
}

func TestAStagedVolumeIsShownToAPodAndTakenAway(t *testing.T) {
	node, root := machine(t)
	ctx := context.Background()
	request := &csi.NodePublishVolumeRequest{VolumeId: volumeID, StagingTargetPath: "/staging", TargetPath: "/pods/p/mount", Readonly: true}
	if _, err := node.NodePublishVolume(ctx, request); status.Code(err) != codes.FailedPrecondition {
		t.Error("not staged", err)
	}
	cloudtest.Write(t, root, "mountinfo", "36 25 7:1 / /staging rw - ext4 /dev/vdb rw\n")
	if _, err := node.NodePublishVolume(ctx, request); err != nil || commands(t, root) != "mount -o bind,ro /staging /pods/p/mount\n" {
		t.Error(err, commands(t, root))
	}
	cloudtest.Write(t, root, "mountinfo", "36 25 7:1 / /pods/p/mount ro - ext4 /dev/vdb rw\n")
	if _, err := node.NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: volumeID, TargetPath: "/pods/p/mount"}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(root, "pods/p/mount")); !os.IsNotExist(err) || !strings.HasSuffix(commands(t, root), "umount /pods/p/mount\n") {
		t.Error(err, commands(t, root))
	}
	if _, err := node.NodeUnstageVolume(ctx, &csi.NodeUnstageVolumeRequest{VolumeId: volumeID, StagingTargetPath: "/staging"}); err != nil {
		t.Error("nothing mounted is unstaged", err)
	}
}

func TestTheFileSystemGrowsOnceTheMachineSeesTheSize(t *testing.T) {
	node, root := machine(t)
	request := &csi.NodeExpandVolumeRequest{VolumeId: volumeID, VolumePath: "/pod", CapacityRange: &csi.CapacityRange{RequiredBytes: 2 * gibibyte}}
	for kind, command := range map[string]string{"xfs": "xfs_growfs /pod\n", "ext4": "resize2fs /dev/disk/by-id/virtio-0123456789abcdefghij\n"} {
		cloudtest.Write(t, root, "mountinfo", "36 25 7:1 / /pod rw - "+kind+" /dev/vdb rw\n")
		cloudtest.Write(t, root, "blockdev.says", fmt.Sprint("echo ", gibibyte))
		if _, err := node.NodeExpandVolume(context.Background(), request); err == nil || strings.Contains(commands(t, root), command) {
			t.Error("too early", err)
		}
		cloudtest.Write(t, root, "blockdev.says", fmt.Sprint("echo ", 2*gibibyte))
		if _, err := node.NodeExpandVolume(context.Background(), request); err != nil || !strings.HasSuffix(commands(t, root), command) {
			t.Error(err, commands(t, root))
		}
	}
}

func TestANodeIsNamedAsNovaNamesIt(t *testing.T) {
	node, _ := machine(t)
	if info, err := node.NodeGetInfo(context.Background(), nil); err != nil || info.NodeId != "server-1" {
		t.Error(info, err)
	}
	stats, err := node.NodeGetVolumeStats(context.Background(), &csi.NodeGetVolumeStatsRequest{VolumePath: "/"})
	if err != nil || len(stats.Usage) != 2 || stats.Usage[0].Total <= stats.Usage[0].Used {
		t.Error(stats, err)
	}
}
