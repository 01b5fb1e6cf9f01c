{{- /* Names and shared parts. Everything carries the cluster's label. */ -}}
{{- define "cluster.name" -}}{{ .Release.Name }}{{- end }}

{{- define "cluster.labels" -}}
{{ .Values.projectPrefix }}/cluster: {{ .Release.Name }}
{{ .Values.projectPrefix }}/managed-by: {{ .Release.Service }}
{{ .Values.projectPrefix }}/infrastructure-provider: openstack
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "cluster.identity" -}}
name: {{ .Values.cloudCredentialsSecretName | default (printf "%s-cloud-credentials" .Release.Name) }}
cloudName: {{ .Values.cloudName }}
{{- end }}

{{- /* spec.template.spec of an OpenStackMachineTemplate; takes (dict "root" $ "node" values of the machines). */ -}}
{{- define "cluster.machine" -}}
flavor: {{ required "machineFlavor is required" .node.machineFlavor }}
identityRef: {{ include "cluster.identity" .root | nindent 2 }}
image:
{{- if .node.machineImageId | default .root.Values.machineImageId }}
  id: {{ .node.machineImageId | default .root.Values.machineImageId }}
{{- else }}
  filter:
    name: {{ required "machineImage or machineImageId is required" (.node.machineImage | default .root.Values.machineImage) }}
{{- end }}
{{- with .root.Values.machineSSHKeyName }}
sshKeyName: {{ . }}
{{- end }}
{{- with (.node.machineRootVolume).diskSize }}
rootVolume:
  sizeGiB: {{ . }}
  {{- with $.node.machineRootVolume.volumeType }}
  type: {{ . }}
  {{- end }}
  {{- with $.node.machineRootVolume.availabilityZone }}
  availabilityZone:
    name: {{ . }}
  {{- end }}
{{- end }}
{{- $devices := deepCopy (.node.additionalBlockDevices | default dict) }}
{{- if .etcd }}{{- with .root.Values.etcd.blockDevice }}{{- $_ := set $devices "etcd" . }}{{- end }}{{- end }}
{{- if $devices }}
additionalBlockDevices:
{{- range $name, $device := $devices }}
  - name: {{ $name }}
    sizeGiB: {{ $device.size }}
    storage:
      type: {{ $device.type | default "Volume" }}
      {{- if or $device.volumeType $device.availabilityZone }}
      volume:
        {{- with $device.volumeType }}
        type: {{ . }}
        {{- end }}
        {{- with $device.availabilityZone }}
        availabilityZone:
          from: Name
          name: {{ . }}
        {{- end }}
      {{- end }}
{{- end }}
{{- end }}
{{- with (.node.machineNetworking).ports }}
ports: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .node.serverGroupId }}
serverGroup:
  id: {{ . }}
{{- end }}
{{- if .node.machineConfigDrive }}
configDrive: true
{{- end }}
{{- with merge (deepCopy (.node.machineMetadata | default dict)) .root.Values.machineMetadata }}
serverMetadata:
{{- range $key, $value := . }}
  - key: {{ $key }}
    value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Files and commands on every machine: registry mirrors, trusted authorities, packages. */ -}}
{{- define "cluster.files" -}}
{{- range $registry, $spec := .Values.registryMirrors }}
{{- $map := kindIs "map" $spec | ternary $spec (dict "mirrors" $spec) }}
{{- $own := eq $registry "docker.io" | ternary "registry-1.docker.io" $registry }}
{{- $server := dig "upstream" (printf "https://%s" $own) $map }}
- path: /etc/containerd/certs.d/{{ $registry }}/hosts.toml
  owner: root:root
  permissions: "0644"
  content: |
    {{- with $server }}
    server = "{{ . }}"
    {{- end }}
    {{- range $map.mirrors }}
    [host."{{ . }}"]
    capabilities = ["pull", "resolve"]
    override_path = true
    {{- end }}
{{- end }}
{{- if .Values.registryAuth }}
- path: /etc/containerd/conf.d/auth.toml
  owner: root:root
  permissions: "0644"
  contentFrom:
    secret: { name: {{ include "cluster.name" . }}-containerd-auth, key: auth.toml }
{{- end }}
{{- range $name, $certificate := .Values.trustedCAs }}
- path: /usr/local/share/ca-certificates/{{ $name }}.crt
  owner: root:root
  permissions: "0644"
  content: |
{{ $certificate | indent 4 }}
{{- end }}
{{- end }}

{{- define "cluster.commands" -}}
{{- if .Values.trustedCAs }}
- update-ca-certificates
{{- end }}
{{- with .Values.additionalPackages }}
- apt update -y && apt install -y {{ join " " . }}
{{- end }}
{{- end }}

{{- /* Labels as the kubelet takes them; takes a map. */ -}}
{{- define "cluster.labelList" -}}
{{- $labels := list }}
{{- range $key, $value := . }}{{- $labels = append $labels (printf "%s=%s" $key $value) }}{{- end }}
{{- join "," $labels }}
{{- end }}

{{- define "cluster.hash" -}}{{ . | sha256sum | trunc 8 }}{{- end }}
