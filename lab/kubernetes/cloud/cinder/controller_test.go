package cinder

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func capability(kind string) *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{FsType: kind}},
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
	}
}

func create(name string, bytes int64) *csi.CreateVolumeRequest {
	return &csi.CreateVolumeRequest{
		Name: name, CapacityRange: &csi.CapacityRange{RequiredBytes: bytes}, VolumeCapabilities: []*csi.VolumeCapability{capability("ext4")},
		Parameters: map[string]string{"type": "fast", "availability": "nova", "csi.storage.k8s.io/pvc/name": "data", "other": "x"},
	}
}

func TestAVolumesLife(t *testing.T) {
	site, driver := controller(t)
	ctx := context.Background()
	made, err := driver.CreateVolume(ctx, create("pvc-1", gibibyte+1))
	if err != nil || made.Volume.CapacityBytes != 2*gibibyte {
		t.Fatal(made, err)
	}
	id := made.Volume.VolumeId
	volume := site.volumes[id]
	metadata := volume["metadata"].(object)
	if volume["name"] != "pvc-1" || volume["volume_type"] != "fast" || volume["availability_zone"] != "nova" || len(metadata) != 2 ||
		metadata["cinder.csi.openstack.org/cluster"] != "capi-mgmt" || metadata["csi.storage.k8s.io/pvc/name"] != "data" {
		t.Error(volume)
	}
	if again, err := driver.CreateVolume(ctx, create("pvc-1", 2*gibibyte)); err != nil || again.Volume.VolumeId != id || len(site.volumes) != 1 {
		t.Error("a second try", again, err)
	}
	if _, err := driver.CreateVolume(ctx, create("pvc-1", 3*gibibyte)); status.Code(err) != codes.AlreadyExists {
		t.Error("another size", err)
	}
	publish := &csi.ControllerPublishVolumeRequest{VolumeId: id, NodeId: "server-1", VolumeCapability: capability("")}
	for range 2 { // attached once: the second finds it so
		if _, err := driver.ControllerPublishVolume(ctx, publish); err != nil {
			t.Fatal(err)
		}
	}
	if attached := site.count("POST /compute/"); attached != 1 {
		t.Error(attached, "times attached")
	}
	other := &csi.ControllerPublishVolumeRequest{VolumeId: id, NodeId: "server-2", VolumeCapability: capability("")}
	if _, err := driver.ControllerPublishVolume(ctx, other); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "server-1") {
		t.Error("attached elsewhere", err)
	}
	grown, err := driver.ControllerExpandVolume(ctx, &csi.ControllerExpandVolumeRequest{VolumeId: id, CapacityRange: &csi.CapacityRange{RequiredBytes: 5 * gibibyte}})
	if err != nil || !grown.NodeExpansionRequired || grown.CapacityBytes != 5*gibibyte || volume["size"] != float64(5) {
		t.Error(grown, err, volume["size"])
	}
	for range 2 {
		if _, err := driver.ControllerUnpublishVolume(ctx, &csi.ControllerUnpublishVolumeRequest{VolumeId: id, NodeId: "server-1"}); err != nil {
			t.Error(err)
		}
	}
	if detached := site.count("DELETE /compute/"); detached != 1 {
		t.Error(detached, "times detached")
	}
	for range 2 {
		if _, err := driver.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: id}); err != nil {
			t.Error(err)
		}
	}
	if len(site.volumes) != 0 {
		t.Error(site.volumes)
	}
	if _, err := driver.ControllerUnpublishVolume(ctx, &csi.ControllerUnpublishVolumeRequest{VolumeId: id, NodeId: "server-1"}); err != nil {
		t.Error("of a deleted volume", err)
	}
	if _, err := driver.ControllerPublishVolume(ctx, publish); status.Code(err) != codes.NotFound {
		t.Error("of a deleted volume", err)
	}
}

func TestAVolumeThatDoesNotGetReady(t *testing.T) {
	site, driver := controller(t)
	made, err := driver.CreateVolume(context.Background(), create("pvc-1", gibibyte))
	if err != nil {
		t.Fatal(err)
	}
	site.volumes[made.Volume.VolumeId]["status"] = "error"
	if _, err := driver.CreateVolume(context.Background(), create("pvc-1", gibibyte)); err == nil || !strings.Contains(err.Error(), "status error") {
		t.Error(err)
	}
	site.volumes[made.Volume.VolumeId]["status"] = "creating"
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := driver.CreateVolume(ctx, create("pvc-1", gibibyte)); err == nil {
		t.Error("no end")
	}
}

func TestWhatIsNotSupportedIsRefused(t *testing.T) {
	_, driver := controller(t)
	block := capability("")
	block.AccessType = &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}
	shared := capability("")
	shared.AccessMode.Mode = csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER
	for _, refused := range []*csi.VolumeCapability{capability("btrfs"), block, shared} {
		request := create("pvc-1", gibibyte)
		request.VolumeCapabilities = []*csi.VolumeCapability{refused}
		if _, err := driver.CreateVolume(context.Background(), request); status.Code(err) != codes.InvalidArgument {
			t.Error(refused, err)
		}
	}
}
