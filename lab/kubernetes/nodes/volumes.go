package nodes

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The provisioners this loop plays. Claims of any other class stay Pending, as they do where its driver is missing.
const (
	localPathProvisioner = "rancher.io/local-path"
	cinderProvisioner    = "cinder.csi.openstack.org"
)

// Annotations the controller manager and the scheduler put on claims for their provisioner, and provisioners on volumes.
const (
	annotationProvisioner   = "volume.kubernetes.io/storage-provisioner"
	annotationSelectedNode  = "volume.kubernetes.io/selected-node"
	annotationProvisionedBy = "pv.kubernetes.io/provisioned-by"
)

// ensureLocalPathClass makes k3s's default storage class.
func (l *Loop) ensureLocalPathClass(ctx context.Context) error {
	binding, reclaim := storagev1.VolumeBindingWaitForFirstConsumer, corev1.PersistentVolumeReclaimDelete
	_, err := l.Client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "local-path",
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner: localPathProvisioner, VolumeBindingMode: &binding, ReclaimPolicy: &reclaim,
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// syncClaim makes the volume object for a claim that waits for one. No directory and no Cinder volume come with it.
func (l *Loop) syncClaim(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	provisioner := claim.Annotations[annotationProvisioner]
	if claim.Status.Phase != corev1.ClaimPending || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil ||
		claim.Spec.StorageClassName == nil || (provisioner != localPathProvisioner && provisioner != cinderProvisioner) {
		return nil
	}
	class, err := l.Client.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	node := claim.Annotations[annotationSelectedNode]
	waits := class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	if node == "" && (waits || provisioner == localPathProvisioner) {
		return nil // until the scheduler has chosen one
	}
	reclaim := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		reclaim = *class.ReclaimPolicy
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pvc-" + string(claim.UID), Annotations: map[string]string{annotationProvisionedBy: provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeReclaimPolicy: reclaim,
			StorageClassName:              class.Name,
			MountOptions:                  class.MountOptions,
			ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
		},
	}
	if provisioner == localPathProvisioner {
		volume.Spec.HostPath = &corev1.HostPathVolumeSource{Path: "/var/lib/rancher/k3s/storage/" + volume.Name + "_" + claim.Namespace + "_" + claim.Name}
		volume.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
		}}}}
	} else {
		volume.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: cinderProvisioner, VolumeHandle: string(claim.UID), FSType: "ext4"}
	}
	_, err = l.Client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// syncVolume deletes a volume of ours whose claim is gone, where its class says so.
func (l *Loop) syncVolume(ctx context.Context, volume *corev1.PersistentVolume) error {
	by := volume.Annotations[annotationProvisionedBy]
	if volume.Status.Phase != corev1.VolumeReleased || volume.DeletionTimestamp != nil || (by != localPathProvisioner && by != cinderProvisioner) ||
		volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		return nil
	}
	return l.Client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
}

// syncAttachment says that a Cinder volume is attached. The controller manager asks for it once a pod uses one, and retries
// for ever without an answer.
func (l *Loop) syncAttachment(ctx context.Context, attachment *storagev1.VolumeAttachment) error {
	if attachment.Spec.Attacher != cinderProvisioner || attachment.Status.Attached || attachment.DeletionTimestamp != nil {
		return nil
	}
	attachment.Status = storagev1.VolumeAttachmentStatus{Attached: true}
	_, err := l.Client.StorageV1().VolumeAttachments().UpdateStatus(ctx, attachment, metav1.UpdateOptions{})
	return err
}
