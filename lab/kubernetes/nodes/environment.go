package nodes

import (
	"context"
	"fmt"

	"capi-mgmt/lab/kubernetes/program"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// environment builds what a program finds around it. It fails, as creating the container would, when a Secret or ConfigMap
// that its environment needs is missing.
func (s *supervisor) environment(ctx context.Context, pod *corev1.Pod, container corev1.Container) (program.Env, error) {
	values := map[string]string{}
	for _, source := range container.EnvFrom {
		all, err := s.envFrom(ctx, pod.Namespace, source)
		if err != nil {
			return program.Env{}, err
		}
		for name, value := range all {
			values[source.Prefix+name] = value
		}
	}
	expand := expansion.MappingFuncFor(values)
	for _, variable := range container.Env {
		if variable.ValueFrom == nil {
			values[variable.Name] = expansion.Expand(variable.Value, expand)
			continue
		}
		value, found, err := s.valueFrom(ctx, pod, variable.ValueFrom)
		if err != nil {
			return program.Env{}, err
		}
		if found {
			values[variable.Name] = value
		}
	}
	var arguments []string
	for _, list := range [][]string{container.Command, container.Args} {
		for _, argument := range list {
			arguments = append(arguments, expansion.Expand(argument, expand))
		}
	}
	group := groupOf(pod)
	return program.Env{
		Config: s.asServiceAccount(pod), Admin: rest.CopyConfig(s.settings.Admin),
		Pod: pod, Container: container, Args: arguments, Environ: values,
		Lead: func(ctx context.Context, work func(context.Context) error) error {
			return s.turns.lead(ctx, group, work)
		},
	}, nil
}

// asServiceAccount is the administrator speaking as the pod's service account: the API server applies that account's rights.
func (s *supervisor) asServiceAccount(pod *corev1.Pod) *rest.Config {
	account := pod.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	config := rest.CopyConfig(s.settings.Admin)
	config.UserAgent = "lab-program/" + pod.Name
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + pod.Namespace + ":" + account,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + pod.Namespace, "system:authenticated"},
	}
	return config
}

func (s *supervisor) envFrom(ctx context.Context, namespace string, source corev1.EnvFromSource) (map[string]string, error) {
	switch {
	case source.SecretRef != nil:
		return s.secret(ctx, namespace, source.SecretRef.Name, source.SecretRef.Optional)
	case source.ConfigMapRef != nil:
		return s.configMap(ctx, namespace, source.ConfigMapRef.Name, source.ConfigMapRef.Optional)
	}
	return nil, nil
}

func (s *supervisor) valueFrom(ctx context.Context, pod *corev1.Pod, source *corev1.EnvVarSource) (value string, found bool, err error) {
	var data map[string]string
	var kind, name, key string
	var optional *bool
	switch {
	case source.FieldRef != nil:
		return fieldOf(pod, source.FieldRef.FieldPath)
	case source.SecretKeyRef != nil:
		kind, name, key, optional = "secret", source.SecretKeyRef.Name, source.SecretKeyRef.Key, source.SecretKeyRef.Optional
		data, err = s.secret(ctx, pod.Namespace, name, optional)
	case source.ConfigMapKeyRef != nil:
		kind, name, key, optional = "configmap", source.ConfigMapKeyRef.Name, source.ConfigMapKeyRef.Key, source.ConfigMapKeyRef.Optional
		data, err = s.configMap(ctx, pod.Namespace, name, optional)
	default:
		return "", false, nil // resourceFieldRef: nothing here has limits
	}
	if err != nil {
		return "", false, err
	}
	value, found = data[key]
	if !found && (optional == nil || !*optional) {
		return "", false, fmt.Errorf("couldn't find key %s in %s %s/%s", key, kind, pod.Namespace, name)
	}
	return value, found, nil
}

func (s *supervisor) secret(ctx context.Context, namespace, name string, optional *bool) (data map[string]string, err error) {
	secret, err := s.settings.Client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && optional != nil && *optional {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	data = map[string]string{}
	for key, value := range secret.Data {
		data[key] = string(value)
	}
	return data, nil
}

func (s *supervisor) configMap(ctx context.Context, namespace, name string, optional *bool) (data map[string]string, err error) {
	configMap, err := s.settings.Client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && optional != nil && *optional {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return configMap.Data, nil
}

// fieldOf answers the downward API's fields that controllers use.
func fieldOf(pod *corev1.Pod, path string) (value string, found bool, err error) {
	fields := map[string]string{
		"metadata.name": pod.Name, "metadata.namespace": pod.Namespace, "metadata.uid": string(pod.UID),
		"spec.nodeName": pod.Spec.NodeName, "spec.serviceAccountName": pod.Spec.ServiceAccountName,
		"status.podIP": pod.Status.PodIP, "status.hostIP": pod.Status.HostIP,
	}
	value, found = fields[path]
	if !found {
		return "", false, fmt.Errorf("field %s is not known to the lab's kubelet", path)
	}
	return value, true, nil
}
