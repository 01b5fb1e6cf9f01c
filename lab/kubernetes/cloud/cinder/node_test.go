package cinder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/mount-utils"
	"k8s.io/utils/exec"
)

const volumeID = "0123456789abcdefghijklmnopq"

// machine is a folder with a disk, the folders of one volume, and what is mounted.
type machine struct {
	*testing.T
	*Node
	exec.Interface
	mounts                        *mount.FakeMounter
	root, device, staging, target string
}

func newMachine(t *testing.T) *machine {
	root := t.TempDir()
	m := &machine{T: t, Interface: exec.New(), mounts: mount.NewFakeMounter(nil), root: root, device: root + "/dev/disk/by-id/virtio-0123456789abcdefghij",
		staging: root + "/staging", target: root + "/pods/p/mount"}
	m.Node = &Node{mounts: mount.NewSafeFormatAndMount(m.mounts, m), root: root}
	m.write("dev/disk/by-id/virtio-0123456789abcdefghij", "")
	m.write("var/lib/cloud/data/instance-id", "server-1\n")
	if err := os.Mkdir(m.staging, 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

// Command records each command, and answers as the test's files say.
func (m *machine) Command(name string, arguments ...string) exec.Cmd {
	script := fmt.Sprintf(`cd %s; echo "$*" >>commands; [ ! -f "$1.says" ] || . ./"$1.says"`, m.root)
	return m.Interface.Command("/bin/sh", append([]string{"-c", script, "act", name}, arguments...)...)
}

func (m *machine) write(name, content string) {
	path := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		m.Fatal(err)
	}
}

func (m *machine) commands() string {
	content, err := os.ReadFile(filepath.Join(m.root, "commands"))
	if err != nil && !os.IsNotExist(err) {
		m.Fatal(err)
	}
	return string(content)
}

func (m *machine) stage(volume string) error {
	request := &csi.NodeStageVolumeRequest{VolumeId: volume, StagingTargetPath: m.staging, VolumeCapability: capability("xfs")}
	_, err := m.NodeStageVolume(context.Background(), request)
	return err
}

func TestAnEmptyVolumeGetsAFileSystemOnce(t *testing.T) {
	m := newMachine(t)
	m.write("blkid.says", "exit 2")
	if err := m.stage(volumeID); err != nil {
		t.Fatal(err)
	}
	if got := m.commands(); !strings.HasSuffix(got, "\nmkfs.xfs -f "+m.device+"\n") {
		t.Errorf("got %s", got)
	}
	if len(m.mounts.MountPoints) != 1 || m.mounts.MountPoints[0].Device != m.device || m.mounts.MountPoints[0].Type != "xfs" {
		t.Error(m.mounts.MountPoints)
	}
	if err := m.stage(volumeID); err != nil || len(m.mounts.MountPoints) != 1 {
		t.Error("a second try", err, m.mounts.MountPoints)
	}
	if _, err := m.NodeUnstageVolume(t.Context(), &csi.NodeUnstageVolumeRequest{VolumeId: volumeID, StagingTargetPath: m.staging}); err != nil || len(m.mounts.MountPoints) != 0 {
		t.Error(err, m.mounts.MountPoints)
	}
	m.write("blkid.says", "echo TYPE=xfs")
	_ = os.Mkdir(m.staging, 0o755)
	if err := m.stage(volumeID); err != nil || strings.Count(m.commands(), "mkfs") != 1 || len(m.mounts.MountPoints) != 1 {
		t.Error(err, m.commands())
	}
}

func TestADeviceThatCannotBeReadIsNotFormatted(t *testing.T) {
	m := newMachine(t)
	m.write("blkid.says", "echo broken >&2; exit 4")
	if err := m.stage(volumeID); status.Code(err) != codes.Internal {
		t.Error(err)
	}
	m.write("blkid.says", "echo PTTYPE=dos")
	_ = m.stage(volumeID) // mount has the last word
	if strings.Contains(m.commands(), "mkfs") {
		t.Error(m.commands())
	}
	if err := m.stage("another"); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
}

func TestAStagedVolumeIsShownToAPodAndTakenAway(t *testing.T) {
	m := newMachine(t)
	request := &csi.NodePublishVolumeRequest{VolumeId: volumeID, StagingTargetPath: m.staging, TargetPath: m.target, Readonly: true}
	if _, err := m.NodePublishVolume(t.Context(), request); status.Code(err) != codes.FailedPrecondition {
		t.Error("not staged", err)
	}
	m.write("blkid.says", "echo TYPE=xfs")
	if err := m.stage(volumeID); err != nil {
		t.Fatal(err)
	}
	for range 2 { // shown once: the second finds it so
		if _, err := m.NodePublishVolume(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	shown := m.mounts.MountPoints[len(m.mounts.MountPoints)-1]
	if len(m.mounts.MountPoints) != 2 || shown.Path != m.target || strings.Join(shown.Opts, ",") != "bind,ro" {
		t.Error(m.mounts.MountPoints)
	}
	for range 2 {
		if _, err := m.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: volumeID, TargetPath: m.target}); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(m.target); !os.IsNotExist(err) || len(m.mounts.MountPoints) != 1 {
		t.Error(err, m.mounts.MountPoints)
	}
}

func TestTheFileSystemGrowsOnceTheMachineSeesTheSize(t *testing.T) {
	m := newMachine(t)
	request := &csi.NodeExpandVolumeRequest{VolumeId: volumeID, VolumePath: "/pod", CapacityRange: &csi.CapacityRange{RequiredBytes: 2 * gibibyte}}
	for kind, command := range map[string]string{"xfs": "xfs_growfs -d /pod\n", "ext4": "resize2fs " + m.device + "\n"} {
		m.write("blkid.says", "echo TYPE="+kind)
		m.write("blockdev.says", fmt.Sprint("echo ", gibibyte))
		if _, err := m.NodeExpandVolume(t.Context(), request); err == nil || strings.Contains(m.commands(), command) {
			t.Error("too early", err)
		}
		m.write("blockdev.says", fmt.Sprint("echo ", 2*gibibyte))
		if _, err := m.NodeExpandVolume(t.Context(), request); err != nil || !strings.HasSuffix(m.commands(), command) {
			t.Error(err, m.commands())
		}
	}
}

func TestANodeIsNamedAsNovaNamesIt(t *testing.T) {
	m := newMachine(t)
	if info, err := m.NodeGetInfo(t.Context(), nil); err != nil || info.NodeId != "server-1" {
		t.Error(info, err)
	}
	stats, err := m.NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumePath: "/"})
	if err != nil || len(stats.Usage) != 2 || stats.Usage[0].Total <= stats.Usage[0].Used {
		t.Error(stats, err)
	}
}
