package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// bootstrapController turns KubeadmConfigs into cloud-init user data in a secret. Upstream analogue: Cluster API's
// kubeadm bootstrap provider. Workers and further control plane machines get theirs when the control plane answers.
type bootstrapController struct{ *base }

// cloudConfig is the part of cloud-init's format that kubeadm machines use.
type cloudConfig struct {
	WriteFiles []cloudFile `json:"write_files,omitempty"`
	RunCmd     []string    `json:"runcmd,omitempty"`
}

type cloudFile struct {
	Path        string `json:"path"`
	Owner       string `json:"owner,omitempty"`
	Permissions string `json:"permissions,omitempty"`
	Encoding    string `json:"encoding,omitempty"`
	Content     string `json:"content"`
}

func (c cloudConfig) render() ([]byte, error) {
	body, err := yaml.Marshal(c)
	return append([]byte("#cloud-config\n"), body...), err
}

func (c bootstrapController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	config := &bootstrapv1.KubeadmConfig{}
	if err := c.Get(ctx, request.NamespacedName, config); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	var machine *clusterv1.Machine
	for _, reference := range config.OwnerReferences {
		if reference.Kind == "Machine" {
			found := &clusterv1.Machine{}
			if err := c.Get(ctx, client.ObjectKey{Namespace: config.Namespace, Name: reference.Name}, found); err != nil {
				return 0, client.IgnoreNotFound(err)
			}
			machine = found
		}
	}
	cluster, err := c.clusterOf(ctx, config)
	if err != nil || machine == nil || cluster == nil || !config.DeletionTimestamp.IsZero() || paused(cluster, config) {
		return 0, err // its Machine's change brings it back
	}
	if config.Status.Initialization.DataSecretCreated != nil && *config.Status.Initialization.DataSecretCreated {
		return 0, nil
	}
	e := c.edit(config)
	yes := func(b *bool) bool { return b != nil && *b }
	waiting := func(reason, text string) (time.Duration, error) {
		set(config, condition{bootstrapv1.KubeadmConfigDataSecretAvailableCondition, metav1.ConditionFalse, reason, text},
			condition{bootstrapv1.KubeadmConfigReadyCondition, metav1.ConditionFalse, clusterv1.NotReadyReason, text})
		setLegacy(config, bootstrapv1.DataSecretAvailableV1Beta1Condition, false, reason, text)
		return backstop, e.save(ctx)
	}
	if !yes(cluster.Status.Initialization.InfrastructureProvisioned) {
		return waiting("NotAvailable", "Waiting for Cluster status.infrastructureReady to be true")
	}
	_, controlPlane := machine.Labels[clusterv1.MachineControlPlaneLabel]
	initialized := yes(cluster.Status.Initialization.ControlPlaneInitialized)
	init := controlPlane && !initialized
	if !init && !initialized {
		return waiting("NotAvailable", "Waiting for Cluster control plane to be initialized")
	}
	if left := c.pace.left(ctx, string(config.UID), stepBootstrap); left > 0 {
		return left, nil
	}
	data, err := c.userData(ctx, cluster, machine, config, controlPlane, init)
	if apierrors.IsNotFound(err) {
		return waiting("NotAvailable", err.Error())
	}
	if err != nil {
		return 0, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: config.Namespace, Name: config.Name, Labels: map[string]string{clusterv1.ClusterNameLabel: cluster.Name},
			OwnerReferences: []metav1.OwnerReference{owner(config, bootstrapv1.GroupVersion.WithKind("KubeadmConfig"), true)}},
		Type: clusterv1.ClusterSecretType,
		Data: map[string][]byte{"value": data, "format": []byte("cloud-config")},
	}
	if err := c.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		return 0, err
	}
	created := true
	config.Status.DataSecretName = secret.Name
	config.Status.Initialization.DataSecretCreated = &created
	config.Status.ObservedGeneration = config.Generation
	set(config,
		condition{bootstrapv1.KubeadmConfigDataSecretAvailableCondition, metav1.ConditionTrue, "Available", ""},
		condition{bootstrapv1.KubeadmConfigCertificatesAvailableCondition, metav1.ConditionTrue, "Available", ""},
		condition{bootstrapv1.KubeadmConfigReadyCondition, metav1.ConditionTrue, clusterv1.ReadyReason, ""})
	setLegacy(config, clusterv1.ReadyV1Beta1Condition, true, "", "")
	setLegacy(config, bootstrapv1.DataSecretAvailableV1Beta1Condition, true, "", "")
	setLegacy(config, bootstrapv1.CertificatesAvailableV1Beta1Condition, true, "", "")
	return 0, e.save(ctx)
}

// userData writes what kubeadm finds on the machine: the certificates on a control plane machine, kubeadm's own
// configuration, the files and commands asked for.
func (c bootstrapController) userData(ctx context.Context, cluster *clusterv1.Cluster, machine *clusterv1.Machine, config *bootstrapv1.KubeadmConfig, controlPlane, init bool) ([]byte, error) {
	cloud := cloudConfig{}
	if controlPlane {
		paths := map[string]string{"ca": "ca", "etcd": "etcd/ca", "proxy": "front-proxy-ca", "sa": "sa"}
		for _, purpose := range clusterCertificates {
			secret := &corev1.Secret{}
			if err := c.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Name + "-" + purpose}, secret); err != nil {
				return nil, err
			}
			extension := ".crt"
			if purpose == "sa" {
				extension = ".pub"
			}
			base := "/etc/kubernetes/pki/" + paths[purpose]
			cloud.WriteFiles = append(cloud.WriteFiles,
				cloudFile{Path: base + extension, Owner: "root:root", Permissions: "0640", Content: string(secret.Data["tls.crt"])},
				cloudFile{Path: base + ".key", Owner: "root:root", Permissions: "0600", Content: string(secret.Data["tls.key"])})
		}
	}
	for _, f := range config.Spec.Files {
		content := f.Content
		if name := f.ContentFrom.Secret.Name; name != "" {
			secret := &corev1.Secret{}
			if err := c.Get(ctx, client.ObjectKey{Namespace: config.Namespace, Name: name}, secret); err != nil {
				return nil, err
			}
			data, ok := secret.Data[f.ContentFrom.Secret.Key]
			if !ok {
				return nil, fmt.Errorf("secret %s has no key %s (wanted for %s)", name, f.ContentFrom.Secret.Key, f.Path)
			}
			content = string(data)
		}
		cloud.WriteFiles = append(cloud.WriteFiles, cloudFile{Path: f.Path, Owner: f.Owner, Permissions: f.Permissions, Encoding: string(f.Encoding), Content: content})
	}
	verb, documents := "join", []any{joinConfiguration(config, cluster, controlPlane)}
	if init {
		verb, documents = "init", []any{clusterConfiguration(config, cluster, machine), initConfiguration(config)}
	}
	var kubeadm []byte
	for _, document := range documents {
		part, err := yaml.Marshal(document)
		if err != nil {
			return nil, err
		}
		kubeadm = append(append(kubeadm, "---\n"...), part...)
	}
	file := "/run/kubeadm/kubeadm-" + verb + "-config.yaml"
	cloud.WriteFiles = append(cloud.WriteFiles, cloudFile{Path: file, Owner: "root:root", Permissions: "0640", Content: string(kubeadm)},
		cloudFile{Path: "/run/cluster-api/placeholder", Owner: "root:root", Permissions: "0640", Content: "This placeholder file is used to create the /run/cluster-api sub directory in a way that is compatible with both Linux and Windows"})
	cloud.RunCmd = append(append(append([]string{}, config.Spec.PreKubeadmCommands...),
		"kubeadm "+verb+" --config "+file+" && echo success > /run/cluster-api/bootstrap-success.complete"), config.Spec.PostKubeadmCommands...)
	return cloud.render()
}

func endpoint(cluster *clusterv1.Cluster) string {
	return fmt.Sprintf("%s:%d", cluster.Spec.ControlPlaneEndpoint.Host, cluster.Spec.ControlPlaneEndpoint.Port)
}

// kubeadmDocument is a kubeadm configuration kind in the version that Kubernetes 1.31 and later read.
func kubeadmDocument(kind string, spec any, more map[string]any) map[string]any {
	out, err := toMap(spec)
	if err != nil {
		out = map[string]any{}
	}
	out["apiVersion"], out["kind"] = "kubeadm.k8s.io/v1beta4", kind
	for key, value := range more {
		out[key] = value
	}
	return out
}

func clusterConfiguration(config *bootstrapv1.KubeadmConfig, cluster *clusterv1.Cluster, machine *clusterv1.Machine) map[string]any {
	networking := map[string]any{"dnsDomain": "cluster.local"}
	if cidrs := cluster.Spec.ClusterNetwork.Pods.CIDRBlocks; len(cidrs) > 0 {
		networking["podSubnet"] = cidrs[0]
	}
	if cidrs := cluster.Spec.ClusterNetwork.Services.CIDRBlocks; len(cidrs) > 0 {
		networking["serviceSubnet"] = cidrs[0]
	}
	return kubeadmDocument("ClusterConfiguration", config.Spec.ClusterConfiguration, map[string]any{
		"clusterName": cluster.Name, "controlPlaneEndpoint": endpoint(cluster), "kubernetesVersion": machine.Spec.Version, "networking": networking,
	})
}

func initConfiguration(config *bootstrapv1.KubeadmConfig) map[string]any {
	return kubeadmDocument("InitConfiguration", config.Spec.InitConfiguration, nil)
}

func joinConfiguration(config *bootstrapv1.KubeadmConfig, cluster *clusterv1.Cluster, controlPlane bool) map[string]any {
	more := map[string]any{"discovery": map[string]any{"bootstrapToken": map[string]any{"apiServerEndpoint": endpoint(cluster)}}}
	if controlPlane {
		more["controlPlane"] = map[string]any{}
	}
	return kubeadmDocument("JoinConfiguration", config.Spec.JoinConfiguration, more)
}
