{{- /* Names and labels, the real chart's for a release of its own name. */ -}}
{{- define "stack.labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
release: {{ .Release.Name }}
heritage: {{ .Release.Service }}
{{- end }}

{{- define "stack.policy" }}{{ with . }}persistentVolumeClaimRetentionPolicy: {{ toYaml . | nindent 2 }}{{ end }}{{ end }}

{{- /* A program's account with what its role lets it; takes (dict "root" $ "name" … "rules" list). */ -}}
{{- define "stack.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{ include "stack.labels" .root | nindent 4 }}
---
{{- with .rules }}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $.name }}
  labels: {{ include "stack.labels" $.root | nindent 4 }}
rules: {{ toYaml . | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $.name }}
  labels: {{ include "stack.labels" $.root | nindent 4 }}
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $.name }} }
subjects:
  - { kind: ServiceAccount, name: {{ $.name }}, namespace: {{ $.root.Release.Namespace }} }
---
{{- end }}
{{- end }}

{{- /* A Service and its ServiceMonitor; takes (dict "root" $ "app" … "port" list of name and number "selector" map). */ -}}
{{- define "stack.monitored" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .app }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{ include "stack.labels" .root | nindent 4 }}
    app: {{ .app }}
    {{- with .job }}
    jobLabel: {{ . }}
    {{- end }}
spec:
  ports:
    - { name: {{ index .port 0 }}, port: {{ index .port 1 }}, targetPort: {{ index .port 0 }} }
  selector: {{ toYaml .selector | nindent 4 }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ .app }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{ include "stack.labels" .root | nindent 4 }}
spec:
  {{- with .job }}
  jobLabel: jobLabel
  {{- end }}
  selector: { matchLabels: { app: {{ .app }}, release: {{ .root.Release.Name }} } }
  namespaceSelector: { matchNames: [{{ .root.Release.Namespace }}] }
  endpoints:
    - { port: {{ index .port 0 }} }
---
{{- end }}
